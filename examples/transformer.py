"""The gradient of a small transformer block with respect to all its weights, checked with central differences."""

import numpy as np

import jacchain as jc
from jacchain.workloads.differences import compare_nested
from jacchain.workloads.losses import mean_squared_error
from jacchain.workloads.transformer import initial_block, transformer_block


def main() -> None:
    rng = np.random.default_rng(0)
    tokens, wanted = rng.normal(size=(6, 8)), rng.normal(size=(6, 8))
    block = initial_block(8, hidden=16)

    def loss(block: dict[str, np.ndarray]) -> np.ndarray:
        return mean_squared_error(transformer_block(block, tokens, heads=2), wanted)

    gradient = jc.gradient(loss)
    slopes = gradient(block)
    print(gradient.plan(block))
    for name, slope in slopes.items():
        print(f"{name:16} {slope.shape!s:9} norm of the gradient {np.linalg.norm(slope):.4f}")
    found = compare_nested(loss, block, slopes)
    print(f"largest difference from central differences {found.error:.1e} in {found.columns} numbers")
    assert found.agrees

    for _ in range(100):
        block = {name: array - 0.1 * slope for (name, array), slope in zip(block.items(), slopes.values(), strict=True)}
        slopes = gradient(block)
    print(f"loss {loss(initial_block(8, hidden=16)):.4f}, after 100 steps {loss(block):.4f}")


if __name__ == "__main__":
    main()
