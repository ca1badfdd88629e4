"""Least squares by Gauss-Newton: JᵀJ in one half, and the same step by LSQR with the Jacobian kept as factors."""

import numpy as np
from scipy.sparse.linalg import lsqr

import jacchain as jc
from jacchain.layers import Linear, Tanh


def main() -> None:
    rng = np.random.default_rng(0)
    layers = [Linear(rng.normal(size=(m, n)) / np.sqrt(n)) for n, m in ((6, 60), (60, 8), (8, 300))]
    f = jc.Sequential([layers[0], Tanh(), layers[1], layers[2]])
    wanted = f(rng.normal(size=6))

    x = np.zeros(6)
    gram = jc.gauss_newton(f)
    print(gram.plan(x))
    for _ in range(8):
        residual = f(x) - wanted
        x -= np.linalg.solve(gram(x), jc.vjp(f, x, residual))
    print(f"residual {float(np.linalg.norm(f(x) - wanted)):.1e}")

    x = np.zeros(6)
    factored = jc.factored(f, products=10, adjoint_products=10)
    print(factored.plan(x))
    for _ in range(8):
        x -= lsqr(factored(x).linear_operator(), f(x) - wanted, atol=1e-12, btol=1e-12)[0]
    print(f"residual {float(np.linalg.norm(f(x) - wanted)):.1e}")


if __name__ == "__main__":
    main()
