"""Other libraries: what their solvers ask of a Lagrangian."""
