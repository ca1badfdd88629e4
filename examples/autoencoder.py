"""Full Jacobian of a network with a narrow middle: the planned order against forward and reverse."""

from collections.abc import Callable
from itertools import pairwise
from time import perf_counter

import numpy as np

import jacchain as jc
from jacchain.layers import Linear, Tanh


def seconds(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def main() -> None:
    rng = np.random.default_rng(0)
    sizes = (392, 128, 16, 128, 392)
    weights = [rng.normal(size=(m, n)) / np.sqrt(n) for n, m in pairwise(sizes)]
    network = jc.Sequential([layer for weight in weights for layer in (Linear(weight), Tanh())])
    x = rng.normal(size=sizes[0])

    for planner in ("optimal", "forward", "reverse"):
        jacobian = jc.jacobian(network, planner=planner)
        milliseconds = 1000 * min(seconds(lambda: jacobian(x)) for _ in range(20))  # noqa: B023  (called at once)
        print(f"{planner:8} {jacobian.plan(x).flops:12,} multiplications {milliseconds:8.2f} ms")


if __name__ == "__main__":
    main()
