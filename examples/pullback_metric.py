"""How a decoder bends its code space: the pullback metric JᵀJ of plain functions, and an autoencoder's Jacobian."""

from itertools import pairwise

import numpy as np

import jacchain as jc


def main() -> None:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(m, n)) / np.sqrt(n) for n, m in pairwise((196, 64, 3, 64, 196))]

    def encode(image: np.ndarray) -> np.ndarray:
        return np.tanh(weights[1] @ np.tanh(weights[0] @ image))

    def decode(code: np.ndarray) -> np.ndarray:
        return np.tanh(weights[3] @ np.tanh(weights[2] @ code))

    image = rng.normal(size=196)
    code = encode(image)

    jacobian = jc.jacobian(decode)
    metric = jacobian(code).T @ jacobian(code)
    print(f"the pullback metric at {code.round(3)}:\n{metric.round(3)}")
    lengths, directions = np.linalg.eigh(metric)
    print(f"a step of 1e-4 along {directions[:, -1].round(3)}, where the decoder bends space most,")
    moved = np.linalg.norm(decode(code + 1e-4 * directions[:, -1]) - decode(code))
    print(f"moves the image by {moved:.4e}; the metric says {1e-4 * np.sqrt(lengths[-1]):.4e}")

    whole = jc.jacobian(lambda image: decode(encode(image)))
    print(f"the autoencoder's Jacobian, {whole(image).shape}: its rank is that of the code, {len(code)}")
    print(f"singular values {np.linalg.svd(whole(image), compute_uv=False)[:4].round(4)}")
    for planner in ("auto", "forward", "reverse"):
        flops = jc.jacobian(lambda image: decode(encode(image)), planner=planner).plan(image).flops
        print(f"{planner:8} {flops:12,} multiplications")


if __name__ == "__main__":
    main()
