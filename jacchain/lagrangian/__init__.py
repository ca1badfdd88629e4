"""The Lagrangian of a constrained problem: values and sparse derivatives of fixed structure, for solvers."""
