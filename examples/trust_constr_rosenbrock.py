"""Minimises a chained Rosenbrock function under equations: trust-constr with exact sparse second derivatives."""

from scipy.optimize import BFGS, minimize

import jacchain as jc
from jacchain.interop.scipy import minimize_arguments
from jacchain.workloads.nonlinear.rosenbrock import rosenbrock


def main() -> None:
    problem = rosenbrock(100)  # plain NumPy functions
    lagrangian = jc.Lagrangian(problem.objective, problem.constraints, problem.x0)
    print(lagrangian)

    for name in ("exact", "BFGS"):
        arguments = minimize_arguments(
            lagrangian, constraint_lower=problem.constraint_lower, constraint_upper=problem.constraint_upper
        )
        if name == "BFGS":  # what SciPy does without second derivatives
            arguments["hess"], arguments["constraints"].hess = BFGS(), BFGS()
        found = minimize(x0=problem.x0, method="trust-constr", options={"gtol": 1e-6}, **arguments)
        print(f"{name:6} {found.nit:3} iterations, f = {found.fun:.9f}")


if __name__ == "__main__":
    main()
