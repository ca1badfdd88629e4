"""Elementwise calls that become one kernel: the same numbers, in as few launches, and nothing else."""

import numpy as np
import pytest
import strict_device
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strict_arrays import raw

import jacchain as jc
from jacchain.algebra.kernels import run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.execution import backend
from jacchain.execution.fusion import EXPRESSIONS, Fusing, fused, parts
from jacchain.execution.launches import calls_of, kernel_launches
from jacchain.workloads.wine import wine

KERNELS = strict_device.KERNELS
NAMES = sorted(set(EXPRESSIONS) - {"copy"})


def of_two(name):
    return "{1}" in EXPRESSIONS[name]


steps = st.lists(st.tuples(st.sampled_from(NAMES), *[st.integers(0, 5)] * 3), min_size=1, max_size=9)


def made_of(plan, memory, kernels):
    """Return calls on six pieces of one memory: three of a size, two that meet the first, and a number."""
    pieces = [memory[:4], memory[4:8], memory[8:12], memory[2:6], memory[6:7], memory[12:16].reshape(2, 2)]
    calls = []
    for name, i, j, k in plan:
        out = pieces[k if k != 4 else 0]
        reads = [pieces[p] for p in ((i, j) if of_two(name) else (i,))]
        shapes = {read.shape for read in reads}
        if out.shape in shapes <= {out.shape, (1,)}:
            calls.append((getattr(kernels.xp, name), (*reads, out)))
    return tuple(calls)


@settings(max_examples=150)
@given(steps, st.integers(0, 99))
def test_fused_calls_leave_what_the_calls_one_by_one_do(plan, seed):
    start = np.random.default_rng(seed).uniform(0.5, 1.5, 16)
    alone, together = strict_device.place(start.copy()), strict_device.place(start.copy())
    run(made_of(plan, alone, KERNELS))
    calls = made_of(plan, together, KERNELS)
    run(fused(KERNELS, calls))
    assert_array_equal(raw(together), raw(alone))


@pytest.mark.parametrize("name", NAMES)
def test_every_expression_is_the_function_of_its_name(name):
    x, y = (strict_device.place(np.array([0.3, 2.0, np.nan, np.inf])) for _ in range(2))
    out, again = strict_device.place(np.empty(4)), strict_device.place(np.empty(4))
    reads = (x, y) if of_two(name) else (x,)
    function = getattr(KERNELS.xp, name)
    first, second = (function, (*reads, out)), (KERNELS.copyto, (again, out))
    (one,) = fused(KERNELS, (first, second))
    run((one,))
    with np.errstate(all="ignore"):
        assert_allclose(raw(again), getattr(np, name)(*map(raw, reads)), rtol=1e-15)
    assert_array_equal(raw(again), raw(out))


def test_neighbours_sums_and_other_sizes_are_no_part_of_a_kernel():
    a, b = np.ones(8), np.ones(8)
    add = np.add
    fusible = [(add, (a, b, a)), (np.tanh, (a, b))]
    for call in [
        (add, (b[:4], b[4:], a[:4])),  # another size
        (add, (a.reshape(2, 4), np.ones(4), np.empty((2, 4)))),  # rows repeated
        (np.dot, (np.ones((8, 8)), a, b)),
        (add, (a[::-1], b, np.empty(8))),  # not contiguous
        (np.copyto, (np.empty(8, np.float32), a)),  # another dtype
    ]:
        found = list(parts([*fusible, call], NUMPY))
        assert isinstance(found[0], Fusing)
        assert found[1:] == [call]
    shifted = np.ones(9)
    found = list(parts([(add, (shifted[:8], b, a)), (add, (a, b, shifted[1:]))], NUMPY))
    assert len(found) == 2


def test_programs_of_the_host_stay_as_they_are():
    calls = ((np.add, (np.ones(2), np.ones(2), np.empty(2))),) * 3
    assert fused(NUMPY, calls) is calls


def test_a_network_takes_fewer_launches_on_a_device_and_gives_the_same(monkeypatch):
    problem = wine(5)
    run_on_host = problem.derivative("optimal", device="cpu").compiled(problem.point).run
    calls = calls_of(run_on_host)
    assert kernel_launches(calls) <= len(calls) - 2
    monkeypatch.setattr(backend, "KINDS", dict(backend.KINDS))
    strict_device.install()
    found = jc.gradient(problem.function, device="strict")(problem.point)
    assert_allclose(found, problem.derivative("optimal", device="cpu")(problem.point), rtol=1e-5, atol=1e-7)
