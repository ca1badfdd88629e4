"""Swings up the pole of a cart with Ipopt's algorithm: exact sparse second derivatives, none written by hand.

Needs a solver: pip install 'jacchain[nlp]'.
"""

import jacchain as jc
from jacchain.errors import MissingExtraError
from jacchain.interop.ipopt import QUIET, solve
from jacchain.workloads.nonlinear.cartpole import CartPole, cartpole


def main() -> None:
    problem = cartpole(100)  # 505 variables, 400 equations: plain NumPy functions and bounds
    lagrangian = jc.Lagrangian(problem.objective, problem.constraints, problem.x0)
    print(lagrangian)

    bounds = {name: getattr(problem, name) for name in ("lower", "upper", "constraint_lower", "constraint_upper")}
    for curvature in ("exact", "limited-memory"):
        options = {**QUIET, "hessian_approximation": curvature}
        try:
            found = solve(lagrangian, problem.x0, **bounds, options=options)
        except MissingExtraError as error:
            print(error)
            return
        print(f"{curvature:15} {found.iterations:3} iterations, the squared force integrates to {found.objective:.6f}")

    angle = CartPole(100).trajectory(found.x).angle
    print("angle of the pole:", ", ".join(f"{angle[k]:.3f}" for k in range(0, 101, 20)))


if __name__ == "__main__":
    main()
