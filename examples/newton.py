"""All weights of a small network trained by Newton steps: SciPy's minimizer, with products of the exact Hessian."""

import numpy as np
from scipy.optimize import minimize

import jacchain as jc
from jacchain.workloads.newton import best_descent, by_newton
from jacchain.workloads.wine_hessian import wine_network


def main() -> None:
    network = wine_network()
    hessian = jc.hessian(network.loss)
    print(hessian.plan(network.point))
    print(f"lowest eigenvalue at the start: {np.linalg.eigvalsh(hessian(network.point))[0]:.3f}")

    # as one calls SciPy: the loss with its gradient, and the Hessian times a vector, which is never formed
    slopes = jc.value_and_jacobian(network.loss)
    found = minimize(slopes, network.point, jac=True, hessp=hessian.times, method="trust-ncg", options={"maxiter": 40})
    print(f"loss {float(network.loss(network.point)):.4f}, after {found.nit} Newton steps {found.fun:.3g}")

    # the same with the times of the steps, beside gradient descent for as long
    newton = by_newton(network.loss, network.point, steps=40)
    descent = best_descent(network.loss, network.point, seconds=newton.seconds[-1])
    print(f"{newton.products} products of the Hessian in {1000 * newton.seconds[-1]:.0f} ms")
    print(f"in the same time, {descent.steps} steps of {descent.method}: loss {descent.losses[-1]:.3g}")


if __name__ == "__main__":
    main()
