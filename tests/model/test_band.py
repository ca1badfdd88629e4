"""Steps whose Jacobians lie on a few diagonals, against the same steps written out."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from jacchain.algebra.kernels import run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.execution.count import CountingKernels
from jacchain.model import band_sweep
from jacchain.model.band import banded
from jacchain.model.scan import scan
from jacchain.model.scan_operation import Scan
from jacchain.model.scan_states import ScanStates
from jacchain.model.stretch import runs
from jacchain.model.trace import trace

MOVES = {
    "roll": lambda u, w, r: np.roll(u, 2),
    "shift": lambda u, w, r: np.concatenate([u[1:], u[:1] * r]),
    "stencil": lambda u, w, r: np.concatenate([u[:1], u[1:-1] * u[2:] - r * u[:-2], [0.5]]),
    "pad": lambda u, w, r: np.pad(u[2:], (1, 1)),
    "sine": lambda u, w, r: np.sin(u) - 0.5 * u,
    "product": lambda u, w, r: 0.3 * u * w,
    "number": lambda u, w, r: u + r * r,
    "square": lambda u, w, r: -(u * u) / 4,
    "matrix": lambda u, w, r: np.reshape(np.reshape(u, (2, -1))[::-1], -1),
    "mean": lambda u, w, r: 0.5 * (u[0] + u),
}
names = st.lists(st.sampled_from(sorted(MOVES)), min_size=1, max_size=4)


def step_of(chosen):
    def step(u, x, w, r):
        for name in chosen:
            u = 0.7 * MOVES[name](u, w, r) + 0.3 * u
        return u * x, u[::2]

    return step


def scan_of(step, n, length):
    """Return a repetition as an operation of what moves, all in one vector: state, rows, weights and a rate."""

    def repeated(x):
        parts = np.split(x, np.cumsum([n, length, n]))
        return np.concatenate([np.reshape(y, -1) for y in scan(step, *parts[:3], parts[3][0])])

    found = trace(repeated, np.ones(2 * n + length + 1))
    made = [node.operation for node in found.nodes if isinstance(node.operation, ScanStates | Scan)]
    assert [type(operation) for operation in made] == [ScanStates, Scan]
    return made


def value(operation, x):
    y = np.empty(operation.facts((x.shape,)).output)
    run(operation.value_calls(NUMPY, (x,), y, None))
    return y


@pytest.mark.parametrize("form", ["matrix", "stretches", "rows"])
@settings(max_examples=10)
@given(names, st.integers(1, 5), st.integers(0, 99))
def test_tangents_and_adjoints_are_those_of_central_differences(form, chosen, length, seed):
    n, h = 6, 1e-6
    states, stored = scan_of(step_of(chosen), n, length)
    operation = replace(stored, is_stored=False)
    x = np.random.default_rng(seed).normal(size=2 * n + length + 1)
    moved = [value(operation, x + sign * h * axis) for axis in np.eye(len(x)) for sign in (1, -1)]
    wanted = np.subtract(moved[::2], moved[1::2]).T / (2 * h)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(band_sweep, "LARGEST_MATRIX", 1 << 14 if form == "matrix" else 0)
        patch.setattr(band_sweep, "LARGE_ROW", 0 if form == "rows" else 1 << 14)
        link, kernels = operation.facts((x.shape,)).locals[0].link, CountingKernels(NUMPY)
        found = np.empty(wanted.shape)
        run(operation.tangent_calls(kernels, 0, (x,), np.eye(len(x)), found))
        assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)
        assert kernels.multiplications == len(x) * link.tangent_cost
        run(operation.adjoint_calls(kernels, 0, (x,), np.eye(len(found)), found))
        assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)
        assert kernels.multiplications == len(x) * link.tangent_cost + len(found) * link.adjoint_cost
        xs = x, value(states, x)
        assert_array_equal(xs[1][states.layout.stored :], value(operation, x))
        again = np.empty(found.shape)
        run(stored.adjoint_calls(NUMPY, 0, xs, np.eye(len(found)), again))
        assert_array_equal(again, found)
        run(stored.tangent_calls(NUMPY, 0, xs, np.eye(len(x)), again))
        assert_allclose(again, found, rtol=1e-12, atol=1e-12)


def test_a_step_that_mixes_numbers_is_no_band():
    for step in (lambda u: u * np.sum(u), lambda u: np.ones((3, 3)) @ u, lambda u: np.cumsum(u) - 1.0):
        assert banded(trace(step, np.ones(3)), (True,)) is None


def test_what_stands_on_a_band_is_made_in_as_few_passes_as_by_hand():
    def step(u, diffusion):
        square = u * u
        return u[1:-1] + 0.1 * (square[:-2] - square[2:]) + diffusion * (u[:-2] - 2 * u[1:-1] + u[2:])

    found = banded(trace(step, np.ones(50), 0.2), (True, False))
    assert found is not None
    assert len(found.entries) == 3
    names = [node.operation.name for node in found.expression.nodes if node.operation is not None and node.shape]
    assert sorted(set(names) - {"index", "broadcast"}) == ["add", "multiply"]
    assert (names.count("multiply"), names.count("add")) == (2, 2)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_runs_are_the_places_again(places):
    found = [(start + k) % 7 for _, start, count in runs(np.array(places), 7) for k in range(count)]
    assert found == places
