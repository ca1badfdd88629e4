"""The Jacobian of a network's output with respect to every hidden state, in one plan: of a chain, and of a function."""

import numpy as np

import jacchain as jc
from jacchain.layers import Linear, Tanh


def main() -> None:
    rng = np.random.default_rng(0)
    width, outputs = 30, 4
    weights = [rng.normal(size=(width, width)) / np.sqrt(width) for _ in range(5)]
    last = rng.normal(size=(outputs, width))
    x = rng.normal(size=width)

    # As a chain of layers: the suffixes J5…J1, J5…J2, …, each made of the one after it.
    chain = jc.Sequential([layer for weight in weights for layer in (Linear(weight), Tanh())] + [Linear(last)])
    suffixes = jc.jacobians(chain, "suffixes")
    of_chain = suffixes(x)
    print(f"{len(of_chain)} Jacobians in {suffixes.plan(x).flops:,} multiplications")

    # As a plain function, which also may skip and join: a shift of zero is added to every state.
    def network(x: np.ndarray, shifts: list[np.ndarray]) -> np.ndarray:
        state = x
        for weight, shift in zip(weights, shifts, strict=True):
            state = np.tanh(weight @ state) + shift
        return last @ state

    zeros = [np.zeros(width)] * len(weights)
    jacobian = jc.jacobian(network, argnums=(0, 1))
    of_input, of_states = jacobian(x, zeros)
    print(f"{1 + len(of_states)} Jacobians in {jacobian.plan(x, zeros).flops:,} multiplications")
    one_by_one = sum(jc.jacobian(network, argnums=k).plan(x, zeros).flops for k in (0, 1))
    print(f"the input's and the states' apart take {one_by_one:,}")

    for k, (ours, other) in enumerate(zip([of_input, *of_states], of_chain[::2], strict=True)):
        print(f"state {k}: norm {np.linalg.norm(ours):.4f}, the chain's differs by {np.abs(ours - other).max():.1e}")


if __name__ == "__main__":
    main()
