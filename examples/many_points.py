"""The Jacobian of a narrow network at many points: in chunks, with what no point changes formed once."""

from itertools import pairwise

import numpy as np

import jacchain as jc
from jacchain.layers import Linear, Tanh


def main() -> None:
    rng = np.random.default_rng(0)
    sizes = (60, 20, 4, 50, 20, 60)
    matrices = [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in pairwise(sizes)]
    first, second, up, across, last = map(Linear, matrices)
    net = jc.Sequential([first, Tanh(), second, up, across, Tanh(), last])  # three weights in a row, nothing in between
    points = rng.normal(size=(200, sizes[0]))

    jacobian = jc.jacobian(net)
    found = jacobian.batched(points)
    one, many = jacobian.plan(points[0]), jacobian.plan_batched(points)
    print(f"{len(found)} Jacobians of {found.shape[1:]} by {many.bracketing}")
    print(f"  {many.reason}")
    print(f"  {many.flops:,} multiplications; one by one they would take {len(points) * one.flops:,}")

    single = np.stack([jacobian(x) for x in points])
    print(f"  largest difference from those one by one: {np.abs(found - single).max():.1e}")

    limited = jc.jacobian(net, memory=found.nbytes + 50_000)
    limited.batched(points)
    plan = limited.plan_batched(points)
    print(f"with 50 kB beside the result: {plan.peak - found.nbytes:,} bytes are used")
    print(f"  {plan.reason.split('; ')[-2]}")

    # of plain functions and their second derivatives the same
    loss = jc.hessian(lambda x: np.sum(np.tanh(matrices[1] @ np.tanh(matrices[0] @ x)) ** 2))
    hessians = loss.batched(points)
    lowest = np.linalg.eigvalsh(hessians)[:, 0]
    print(f"{len(hessians)} Hessians, {np.sum(lowest < 0)} with a negative eigenvalue, the lowest {lowest.min():.3f}")


if __name__ == "__main__":
    main()
