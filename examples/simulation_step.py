"""A simulation step that has only tangents and adjoints, between explicit layers: a mixed chain."""

import numpy as np

import jacchain as jc
from jacchain.layers import Linear, MeanSquaredError, Tanh


def main() -> None:
    rng = np.random.default_rng(0)
    size, steps = 40, 5
    coupling = rng.normal(size=(size, size)) / size

    def step(s: np.ndarray) -> np.ndarray:
        return s + 0.1 * np.sin(coupling @ s)

    def tangent(s: np.ndarray, v: np.ndarray) -> np.ndarray:
        return v + 0.1 * np.cos(coupling @ s) * (coupling @ v)

    def adjoint(s: np.ndarray, u: np.ndarray) -> np.ndarray:
        return u + 0.1 * (u * np.cos(coupling @ s)) @ coupling

    simulate = [jc.Function(step, jvp=tangent, vjp=adjoint, outputs=size, name=f"step {k}") for k in range(steps)]
    encode, decode = Linear(rng.normal(size=(size, 3))), Linear(rng.normal(size=(2, size)))
    misfit = jc.Sequential([encode, Tanh(), *simulate, decode, MeanSquaredError(np.zeros(2))])

    x = rng.normal(size=3)
    print(jc.gradient(misfit).plan(x))
    sensitivity = jc.jacobian(jc.Sequential([encode, Tanh(), *simulate]))
    print(sensitivity.plan(x))
    print(sensitivity(x).shape)


if __name__ == "__main__":
    main()
