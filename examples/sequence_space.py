"""A macroeconomic model in sequence space: total Jacobians of ready-made blocks, against accumulating them forward."""

from collections.abc import Callable
from functools import partial
from time import perf_counter

import numpy as np

import jacchain as jc
from jacchain.workloads.sequence_space import SHOCKS, UNKNOWNS, accumulated_forward, sequence_space_blocks


def milliseconds(call: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return 1000 * min(times)


def main() -> None:
    blocks = sequence_space_blocks(horizon=300)
    inputs = (*UNKNOWNS, *SHOCKS)
    everything = [variable for block in blocks for variable in block]

    for outputs in (everything, ["goods", "assets"]):
        print(f"\n{len(outputs)} outputs from {len(inputs)} inputs")
        for planner in ("auto", "forward"):
            compose = partial(jc.compose, blocks, outputs, inputs, planner=planner, structured=True)
            plan = compose().plan  # later calls with blocks of the same structures only multiply
            print(f"  {planner:8} {plan.flops:13,} multiplications {milliseconds(compose):8.1f} ms")
        by_hand = partial(accumulated_forward, blocks, outputs, inputs)
        print(f"  {'forward, NumPy and SciPy by hand':38} {milliseconds(by_hand):8.1f} ms")

    found = jc.compose(blocks, ["goods", "assets"], inputs)
    expected = accumulated_forward(blocks, ["goods", "assets"], inputs)
    worst = max(np.abs(found[pair] - total).max() / np.abs(total).max() for pair, total in expected.items())
    print(f"\n{found.plan}\nlargest relative difference from the totals by hand: {worst:.0e}")


if __name__ == "__main__":
    main()
