"""JᵀJ: exactly symmetric, the product of the dense Jacobians, for as many multiplications as planned."""

import copy
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from networks import compositions, structured_compositions
from strategies import dense_twin, seeds, structures, twin_of

import jacchain as jc
from jacchain.algebra.kernels import run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense
from jacchain.algebra.symmetric import congruence, congruence_calls, gram, gram_calls
from jacchain.errors import NonFiniteError, SizeError
from jacchain.execution.count import CountingKernels
from jacchain.layers import Linear, Square, Tanh
from jacchain.products.gram import gauss_newton


@settings(max_examples=60, deadline=None)
@given(structures(), seeds)
def test_a_gram_matrix_has_the_structure_cost_and_values_that_are_predicted(structure, seed):
    twin = twin_of(structure, seed)
    counting = CountingKernels(NUMPY)
    bound = gram_calls(counting, Operand(structure, twin.matrix.arrays))
    run(bound.calls)
    assert (bound.result.structure, counting.multiplications) == gram(structure)
    found = dense_twin(bound.result.structure, bound.result.arrays)
    np.testing.assert_allclose(found, twin.dense.T @ twin.dense, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(structures(), seeds)
def test_a_congruence_has_the_structure_cost_and_values_that_are_predicted(structure, seed):
    twin = twin_of(structure, seed)
    rows = twin.dense.shape[0]
    for kept in (Dense(rows + 1, rows), None):
        q = twin_of(kept or gram_structure(rows), seed + 1)
        g = gram_calls(NUMPY, Operand(q.matrix.structure, q.matrix.arrays))
        run(g.calls)
        counting = CountingKernels(NUMPY)
        bound = congruence_calls(counting, g.result, Operand(structure, twin.matrix.arrays))
        run(bound.calls)
        assert (bound.result.structure, counting.multiplications) == congruence(g.result.structure, structure)
        found = dense_twin(bound.result.structure, bound.result.arrays)
        np.testing.assert_allclose(found, twin.dense.T @ q.dense.T @ q.dense @ twin.dense, rtol=1e-11)


def gram_structure(rows: int):
    from jacchain.algebra.structure import Diagonal

    return Diagonal(rows)


@settings(max_examples=50, deadline=None)
@given(structured_compositions())
def test_the_product_is_that_of_the_dense_jacobians_and_counted_as_planned(sample):
    made = gauss_newton(jc.Sequential(sample.layers))
    found = made(sample.point)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(found, sample.product.T @ sample.product, rtol=1e-9)
    plan = made.plan(sample.point)
    counted = made.count(sample.point)
    # a link applied to A⊗B writes that out first, which a program counts and a plan does not
    written_out = made.program(sample.point).flops - sum(node.flops for node in plan.nodes)
    assert counted.multiplications == plan.flops + written_out
    assert counted.nbytes <= plan.peak + 64


@settings(max_examples=30, deadline=None)
@given(compositions())
def test_layers_of_every_kind_are_taken(sample):
    made = gauss_newton(sample.layer)
    found = made(sample.point)
    jacobian = jc.jacobian(sample.layer)(sample.point).reshape(-1, sample.point.size)
    assert found.shape == sample.point.shape * 2
    square = found.reshape(sample.point.size, -1)
    np.testing.assert_array_equal(square, square.T)
    np.testing.assert_allclose(square, jacobian.T @ jacobian, rtol=1e-8, atol=1e-12)
    out = np.empty_like(found)
    assert made(sample.point, out=out) is out
    np.testing.assert_array_equal(out, found)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(100, 40, 3, 50, 60), (90, 200, 150), (3, 200, 70), (37, 5, 37)])
def test_wide_products_are_exactly_symmetric_in_every_precision(sizes, dtype):
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=(b, a)) for a, b in pairwise(sizes)]
    f = jc.Sequential([layer for w in weights for layer in (Linear(w), Tanh())])
    x = rng.normal(size=sizes[0]).astype(dtype)
    made = gauss_newton(f)
    found = made(x)
    jacobian = jc.jacobian(f)(x)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, found.T)
    tolerance = 1e-3 if dtype == np.float32 else 1e-10
    scale = np.abs(jacobian.T @ jacobian).max()
    np.testing.assert_allclose(found / scale, jacobian.T @ jacobian / scale, atol=tolerance)
    assert made.count(x).multiplications == made.plan(x).flops


@pytest.mark.parametrize("sizes", [(200, 50, 300, 120), (60, 200, 300), (300, 20, 200)])
def test_the_predicted_peak_bounds_what_is_really_held(sizes):
    rng = np.random.default_rng(1)
    f = jc.Sequential([layer for a, b in pairwise(sizes) for layer in (Linear(rng.normal(size=(b, a))), Tanh())])
    made = gauss_newton(f)
    x = rng.normal(size=sizes[0])
    peak = made.plan(x).peak
    tracemalloc.start()
    try:
        made(x)
        measured = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert measured <= peak + 100_000  # calls and views are not counted
    assert peak <= 1.25 * measured


def test_calls_in_threads_do_not_disturb_each_other():
    rng = np.random.default_rng(2)
    made = gauss_newton(jc.Sequential([Linear(rng.normal(size=(30, 20))), Tanh(), Linear(rng.normal(size=(3, 30)))]))
    points = rng.normal(size=(40, 20))
    alone = [made(x) for x in points]
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(made, points), alone, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_parameters_changed_in_place_are_seen():
    weight = np.ones((2, 2))
    made = gauss_newton(Linear(weight))
    made(np.ones(2))
    weight[0, 0] = 3.0
    np.testing.assert_array_equal(made(np.ones(2)), weight.T @ weight)


def test_a_gauss_newton_object_survives_copying_and_pickling():
    made = gauss_newton(Tanh())
    expected = made(np.ones(2))
    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        np.testing.assert_array_equal(again(np.ones(2)), expected)
    made.release()
    assert repr(made) == "gauss_newton(Sequential([Tanh]))"


def test_bad_calls_are_refused():
    with pytest.raises(SizeError, match="out is float64 of shape"):
        gauss_newton(Tanh())(np.ones(2), out=np.empty(2))
    with pytest.raises(NonFiniteError):
        gauss_newton(jc.Sequential([Square()]), check=True)([1e160])
    with pytest.raises(NonFiniteError, match="JᵀJ"), np.errstate(over="ignore"):
        gauss_newton(jc.Sequential([Linear([[1e200]])]), check=True)([1.0])
