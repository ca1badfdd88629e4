"""A Jacobian that does not fit into the memory it is given: made in slices, and written into a file."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import jacchain as jc
from jacchain.layers import Linear, Tanh


def main() -> None:
    rng = np.random.default_rng(0)
    sizes = (600, 80, 800)
    weights = [rng.normal(size=(m, n)) / np.sqrt(n) for n, m in pairwise(sizes)]
    network = jc.Sequential([layer for weight in weights for layer in (Linear(weight), Tanh())])
    x = rng.normal(size=sizes[0])
    nbytes = sizes[0] * sizes[-1] * x.itemsize
    print(f"the Jacobian has {nbytes:,} bytes; at once it takes {jc.jacobian(network).plan(x).peak:,}")

    with TemporaryDirectory() as folder:
        on_disk = np.memmap(Path(folder) / "jacobian", dtype=x.dtype, mode="w+", shape=(sizes[-1], sizes[0]))
        for memory in ("1MB", "200kB", "50kB"):
            jacobian = jc.jacobian(network, memory=memory)
            jacobian(x, out=on_disk)
            plan = jacobian.plan(x)
            slices = f"{plan.chunk_size} {plan.slicing.axis} at a time" if plan.slicing else "at once"
            print(f"{memory:>5}: {plan.flops:,} multiplications, {plan.peak:,} bytes, {slices}")
        del on_disk  # closes the file

    try:
        jc.jacobian(network, memory="5kB").plan(x)
    except jc.JacchainError as error:
        print(f"  5kB: {error}")


if __name__ == "__main__":
    main()
