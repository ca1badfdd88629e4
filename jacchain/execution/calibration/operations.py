"""Measuring what is no product of two matrices: elementwise functions, copies, gathering, sparse products."""

from collections.abc import Hashable, Iterator, Mapping
from math import isqrt
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.kernels import Array, Call, Calls, gemm
from jacchain.execution.backend import Backend
from jacchain.execution.calibration.products import placed
from jacchain.execution.calibration.timing import Task
from jacchain.planning.pricing.curve import Curve, rising
from jacchain.planning.pricing.profile import CURVES

COUNTS: Final = (1, 32, 1024, 1 << 14, 1 << 17, 1 << 20)
"""Numbers that operations are measured with."""

POOLS: Final = (1 << 20, 1 << 22, 1 << 24, 1 << 26)
"""Bytes among which matrices are fetched."""

SIDE: Final = 250
"""Rows and columns of a matrix that is fetched."""

THIN: Final = 30
"""Rows or columns of the matrix that it is multiplied by."""

SOURCE: Final = 1 << 14
"""Numbers among which is gathered: a matrix has fewer than the terms of its products."""

ROW: Final = 16
"""Nonzeros of a row of the sparse matrices, and numbers of a segment."""


class Measured(NamedTuple):
    """What operations take: see `jacchain.planning.pricing.profile.Rates`."""

    call: float
    loop: float
    item: float
    segment: float
    turned: float
    curves: tuple[tuple[str, Curve], ...]


def operation_tasks(backend: Backend, dtype: "np.dtype[Any]", most: int, /) -> Iterator[Task]:
    """Yield all operations with up to so many numbers."""
    counts = tuple(count for count in COUNTS if count <= most)
    numbers = np.random.default_rng(1).standard_normal(4 * most).astype(dtype)
    memory = placed(backend, numbers)
    operands = [memory[k * most : (k + 1) * most] for k in range(4)]
    for count in counts:
        yield from _tasks(backend, operands, count)
    yield from _constants(backend, operands)
    yield from _fetches(backend, dtype, tuple(nbytes for nbytes in POOLS if nbytes <= 64 * most))
    yield from _copies(backend, dtype, counts)


def _task(name: str, size: int, calls: Calls) -> Task:
    """Return a point of a curve."""
    return Task((name, size), calls, 1e-6 + size * 1e-9)


def _tasks(backend: Backend, operands: list[Array], count: int) -> Iterator[Task]:
    kernels = backend.kernels
    a, b, out = (operand[:count] for operand in operands[:3])
    rows = max(isqrt(count) // 2, 1)
    columns = count // rows
    grid = [operand[: rows * columns].reshape(rows, columns) for operand in (b, out)]
    yield _task("multiply", count, ((kernels.multiply, (a, b, out)),))
    yield _task("scale_rows", count, ((kernels.multiply, (a[:rows, None], *grid)),))
    yield _task("scale_columns", count, ((kernels.multiply, (grid[0], a[:columns], grid[1])),))
    yield _task("copy", count, ((kernels.copyto, (out, a)),))
    yield _task("fill", count, ((kernels.fill, (0.0, out)),))
    yield _task("tanh", count, ((kernels.xp.tanh, (a, out)),))
    yield _task("exp", count, ((kernels.xp.exp, (a, out)),))
    yield _task("outer", count, ((kernels.outer, ("i,j->ij", a[:rows], b[:columns], grid[1])),))
    index = _scattered(count)
    yield _task("take", count, ((kernels.take, (a[:SOURCE], kernels.index(index % SOURCE), out)),))
    yield _task("scatter", count, ((kernels.scatter, (a, kernels.index(index), out)),))
    for name, length in (("segment_sum", ROW), ("segment", 2)):
        starts = np.arange(0, count, length)
        segments = kernels.segments(starts, count)
        yield _task(name, count, ((kernels.segment_sum, (a, segments, out[: len(starts)])),))
    yield from _sparse(backend, operands, count)


def _scattered(count: int) -> NDArray[np.int64]:
    """Return all places in runs of a few, as those of products of patterns lie; the runs in no order."""
    starts = np.random.default_rng(2).permutation(-(-count // ROW)) * ROW
    found = (starts[:, None] + np.arange(ROW)).ravel()
    return found[found < count]


def _sparse(backend: Backend, operands: list[Array], count: int) -> Iterator[Task]:
    """Yield products of sparse matrices of about so many nonzeros times columns."""
    for name, columns in (("csr_dot_one", 1), ("csr_dot", ROW), ("dot_csr", ROW)):
        nonzeros = max(count // columns, 1)
        width = min(nonzeros, ROW)
        rows = nonzeros // width
        size = max(rows, width)
        random = np.random.default_rng(3)
        indices = np.sort(random.integers(0, size - width + 1, (rows, 1)) + np.arange(width), axis=1).ravel()
        indptr = np.arange(0, rows * width + 1, width)
        kernels = backend.kernels
        parts = operands[0][: rows * width], indices.astype(np.int32), indptr.astype(np.int32)
        yield _sparse_task(name, kernels, parts, (rows, size, columns), operands)


def _sparse_task(
    name: str, kernels: Any, parts: tuple[Array, Array, Array], sizes: tuple[int, int, int], operands: list[Array]
) -> Task:
    rows, size, columns = sizes
    x, out = operands[1][: size * columns], operands[2]
    work = len(parts[0]) * columns
    if name == "dot_csr":
        turned = kernels.csr_transposed(*parts, (rows, size))
        left = operands[1][: rows * columns].reshape(columns, rows)
        return _task(name, work, ((kernels.dot_csr, (left, turned, out[: size * columns].reshape(columns, size))),))
    csr = kernels.csr(*parts, (rows, size))
    target = out[: rows * columns].reshape(rows, columns)
    return _task(name, work, ((kernels.csr_dot, (csr, x.reshape(size, columns), target)),))


def _constants(backend: Backend, operands: list[Array]) -> Iterator[Task]:
    """Yield what tells the costs of inner loops, of products of a stack, and of transposed operands."""
    kernels = backend.kernels
    a, b, out = operands[:3]
    rows = min(len(a) // 4, 2048)
    grid = [operand[: rows * 4].reshape(rows, 4) for operand in (b, out)]
    yield _task("loop", rows, ((kernels.multiply, (a[:rows, None], *grid)),))
    stacks = tuple(operand[: rows * 4].reshape(rows, 2, 2) for operand in (a, b, out))
    yield _task("item", rows, ((kernels.matmul, stacks),))
    for size in (32, 128):
        if size * size <= len(a):
            square = [operand[: size * size].reshape(size, size) for operand in (a, b, out)]
            yield _task("square", size, ((kernels.gemm(*square), tuple(square)),))
            turned = [square[0].T, *square[1:]]
            yield _task("turned", size, ((kernels.gemm(*turned), tuple(turned)),))


def _fetches(backend: Backend, dtype: "np.dtype[Any]", pools: tuple[int, ...]) -> Iterator[Task]:
    """Yield products with one matrix out of ever larger pools, one after the other: as a left and as a right operand.

    BLAS reads a matrix in pieces and copies them, which takes several times as long as a copy does where it is far.
    """
    kernels, nbytes = backend.kernels, SIDE * SIDE * dtype.itemsize
    thin = backend.workspace(SIDE * THIN * dtype.itemsize, dtype)
    out = backend.workspace(SIDE * THIN * dtype.itemsize, dtype)
    for pool in (nbytes, *pools):
        memory = backend.workspace(pool // nbytes * nbytes, dtype)
        for array in (thin, memory):
            kernels.fill(1.0, array)
        calls: list[Call] = []
        for matrix in memory.reshape(-1, SIDE, SIDE):
            calls.append(gemm(kernels, (matrix, thin.reshape(SIDE, THIN), out.reshape(SIDE, THIN))))
            calls.append(gemm(kernels, (thin.reshape(THIN, SIDE), matrix, out.reshape(THIN, SIDE))))
        yield _task("fetch", len(calls) // 2 * nbytes, tuple(calls))


def _copies(backend: Backend, dtype: "np.dtype[Any]", counts: tuple[int, ...]) -> Iterator[Task]:
    """Yield copies between the host and the device, where these are two."""
    if backend.device.kind == "cpu":
        return
    for count in counts:
        here = np.zeros(count, dtype)
        there = backend.place(here)
        yield _task("to_device", here.nbytes, ((backend.place, (here, there)),))
        yield _task("to_host", here.nbytes, ((backend.fetch, (there, here)),))


def operations_of(times: Mapping[Hashable, float], /) -> Measured:
    """Return what the times of tasks tell."""
    by_name: dict[str, dict[int, float]] = {}
    for key, seconds in times.items():
        match key:
            case (str() as kind, int(size)):
                by_name.setdefault(kind, {})[size] = seconds
            case _:  # of another kind
                pass
    curves = {name: rising(*zip(*sorted(by_name[name].items()), strict=True)) for name in CURVES if name in by_name}
    curves["stated"] = curves["multiply"]
    curves["fetch"] = _per_byte(by_name["fetch"])
    for name in ("to_device", "to_host"):
        curves.setdefault(name, Curve((1,), (1e-15,)))  # nothing is copied
    call = curves["multiply"].seconds[0]
    ((rows, loops),) = by_name["loop"].items()
    loop = max(loops - curves["multiply"].at(4 * rows), 0.0) / rows
    ((count, stack),) = by_name["item"].items()
    item = max(stack - call, 0.0) / count
    number = max(size for size in by_name["segment"] if size <= SOURCE)
    more = max(by_name["segment"][number] - by_name["segment_sum"][number], 0.0)
    segment = more / (number / 2 - number / ROW)
    ratios = [seconds / by_name["square"][size] for size, seconds in by_name.get("turned", {}).items()]
    turned = max([1.0, *ratios[-1:]])
    return Measured(call, loop, item, segment, turned, tuple((name, curves[name]) for name in CURVES))


def _per_byte(times: dict[int, float]) -> Curve:
    """Return what a byte takes more that is fetched among so many than one that is in the cache."""
    (least, warm), *others = sorted(times.items())
    sizes = tuple(nbytes for nbytes, _ in others) or (2 * least,)
    found = [max(seconds / nbytes - warm / least, 0.0) / 2 + 1e-15 for nbytes, seconds in others] or [1e-15]
    return rising(sizes, tuple(found))
