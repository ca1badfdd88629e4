"""The ways of a product of dense matrices all give it."""

import tracemalloc
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jacchain.algebra.gemm_ways import DOT, MATMUL, GemmWay, candidates, gemm_call
from jacchain.algebra.kernels import gemm, run
from jacchain.algebra.numpy_kernels import NumpyKernels
from jacchain.execution.calibration.tuning import cells as measured_cells
from jacchain.execution.calibration.tuning import measured_ways
from jacchain.execution.count import CountingKernels
from jacchain.planning.pricing.way_table import LEAST, LONG, SHORT, WayTable, cell_of, shape_of

SIZES = st.integers(1, 40)
PANELLED = st.builds(GemmWay, st.sampled_from(["rows", "columns"]), st.integers(1, 50))
WAYS = st.one_of(st.sampled_from([DOT, MATMUL]), PANELLED)
LAYOUTS = st.sampled_from(["rows", "columns", "strided", "wide"])


def laid_out(numbers, layout):
    """The same matrix, stored row by row, column by column, with gaps everywhere, or with gaps between its rows."""
    match layout:
        case "rows":
            return np.ascontiguousarray(numbers)
        case "columns":
            return np.asfortranarray(numbers)
        case "strided":
            held = np.zeros((2 * numbers.shape[0], 3 * numbers.shape[1]), numbers.dtype)[::2, ::3]
        case "wide":
            held = np.zeros((numbers.shape[0], numbers.shape[1] + 5), numbers.dtype)[:, 2:-3]
    held[...] = numbers
    return held


@settings(max_examples=50)
@given(m=SIZES, k=SIZES, n=SIZES, way=WAYS, layouts=st.tuples(LAYOUTS, LAYOUTS, LAYOUTS), seed=st.integers(0, 99))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_way_gives_the_product_of_any_arrays_and_the_same_bits_again(dtype, m, k, n, way, layouts, seed):
    random = np.random.default_rng(seed)
    a = laid_out(random.standard_normal((m, k)).astype(dtype), layouts[0])
    b = laid_out(random.standard_normal((k, n)).astype(dtype), layouts[1])
    out = laid_out(np.full((m, n), np.nan, dtype), "rows" if way == DOT else layouts[2])
    call = gemm_call(way, a, b, out)
    run((call,))
    bound = 2 * (k + 1) * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b)).astype(np.float64)
    assert (np.abs(out - a.astype(np.float64) @ b.astype(np.float64)) <= bound).all()
    first = out.copy()
    out.fill(np.nan)
    run((call,))
    assert np.array_equal(out, first)


@settings(max_examples=15)
@given(m=st.integers(1, 300), k=st.integers(0, 900), n=st.integers(1, 300), data=st.data())
def test_no_way_takes_memory_while_it_is_called(m, k, n, data):
    random = np.random.default_rng(0)
    way = data.draw(st.sampled_from(candidates(m, max(k, 1), n)))
    a, b, out = random.standard_normal((m, k)), random.standard_normal((k, n)), np.full((m, n), np.nan)
    call = gemm_call(way, a, b, out)
    run((call,))
    tracemalloc.start()
    try:
        run((call,))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4096
    assert np.allclose(out, a @ b)


@given(m=st.integers(1, 3000), k=st.integers(1, 3000), n=st.integers(1, 3000))
def test_the_ways_to_try_are_different_and_begin_with_the_plain_ones(m, k, n):
    ways = candidates(m, k, n)
    assert ways[:2] == [DOT, MATMUL]
    assert len(set(ways)) == len(ways)
    length = {"rows": m, "columns": n}
    assert all(way.width < length[way.kind] for way in ways if way.width)


def asked(way):
    """A chooser that always chooses one way, and the list of what it was asked."""
    questions = []

    def choose(m, k, n, itemsize):
        questions.append((m, k, n, itemsize))
        return way

    return choose, questions


@pytest.mark.parametrize("kind", ["rows", "columns"])
@pytest.mark.parametrize("is_cold", [False, True])
def test_kernels_ask_for_the_way_of_a_shape_and_multiplications_are_counted_as_ever(kind, is_cold):
    a, b, out = np.ones((7, 5), np.float32), np.ones((5, 9), np.float32), np.empty((7, 9), np.float32)
    choose, questions = asked(GemmWay(kind, 2))
    counting = CountingKernels(NumpyKernels(is_cold=is_cold, choose=choose))
    function, arguments = gemm(counting, (a, b, out))
    assert questions == [(7, 5, 9, 4)]
    for _ in range(3):
        function(*arguments)
    assert questions == [(7, 5, 9, 4)]
    assert counting.multiplications == 3 * 7 * 5 * 9
    assert (out == 5).all()


@settings(max_examples=30)
@given(
    sizes=st.tuples(st.integers(1, 5), *[st.integers(2, 12)] * 3),
    way=PANELLED,
    shared=st.sampled_from(["", "left", "right"]),
    seed=st.integers(0, 99),
)
def test_stacks_are_multiplied_in_the_way_of_their_matrices(sizes, way, shared, seed):
    count, m, k, n = sizes
    random = np.random.default_rng(seed)
    a = random.standard_normal((m, k) if shared == "left" else (count, m, k))
    b = random.standard_normal((k, n) if shared == "right" else (count, k, n))
    out = np.full((count, m, n), np.nan)
    choose, questions = asked(way)
    counting = CountingKernels(NumpyKernels(is_cold=False, choose=choose))
    counting.stack(a, b, out)(a, b, out)
    assert set(questions) == {(m, k, n, 8)}
    assert counting.multiplications == count * m * k * n
    assert np.allclose(out, np.matmul(a, b), rtol=1e-13, atol=1e-13)


def test_operands_that_are_not_stored_row_by_row_are_multiplied_whole():
    choose, questions = asked(GemmWay("rows", 2))
    kernels = NumpyKernels(is_cold=False, choose=choose)
    a, b, out = np.ones((7, 5)), np.ones((9, 5)), np.empty((7, 9))
    assert gemm(kernels, (a, b.T, out))[0] in (np.dot, np.matmul)
    assert not questions


@pytest.mark.parametrize("way", [DOT, MATMUL, None])
def test_a_plain_way_is_left_to_the_kernels(way):
    choose, _ = asked(way)
    arrays = np.ones((300, 40)), np.ones((40, 300)), np.empty((300, 300))
    for is_cold in (False, True):
        with_profile, without = NumpyKernels(is_cold=is_cold, choose=choose), NumpyKernels(is_cold=is_cold)
        assert with_profile.gemm(*arrays) is without.gemm(*arrays)


@given(
    place=st.integers(0, 2),
    short=st.integers(0, len(SHORT) - 1),
    long=st.tuples(*[st.integers(0, len(LONG) - 1)] * 2),
)
def test_a_table_gives_the_way_of_the_nearest_cell(place, short, long):
    cell = (place, short, *long)
    shape = shape_of(cell)
    if min(long) > 0:  # where the thin size is the smallest
        assert cell_of(*shape) == cell
    count = 3 * len(SHORT) * len(LONG) ** 2
    numbers = [0] * count
    numbers[((place * len(SHORT) + short) * len(LONG) + long[0]) * len(LONG) + long[1]] = 1
    table = WayTable((MATMUL, GemmWay("rows", 16)), tuple(numbers))
    if min(long) > 0 and np.prod(shape) >= LEAST:
        assert table.way(*shape) == GemmWay("rows", 16)
        assert table.way(*(round(1.1 * size) for size in shape)) == GemmWay("rows", 16)
    assert table.way(20000, 20000, 20000) is None


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_table_measured_in_no_time_has_a_way_for_every_cell_the_plain_one_first(dtype):
    table = measured_ways(dtype, perf_counter() + 0.2, tick=lambda: None)
    assert table.ways[0] == MATMUL
    assert len(set(table.ways)) == len(table.ways)
    assert len(table.numbers) == 3 * len(SHORT) * len(LONG) ** 2
    assert max(table.numbers) == len(table.ways) - 1


def test_what_the_time_does_not_suffice_for_is_made_whole():
    ticks = []
    table = measured_ways(np.float64, 0.0, tick=lambda: ticks.append(1))
    assert len(ticks) == len(measured_cells())
    assert table.ways == (MATMUL,)
    assert set(table.numbers) == {0}
