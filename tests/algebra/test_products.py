"""The product table: every pair, its transpose, its cost and its predicted structure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import dense_twin, seeds, sizes_for, structure_pairs, structures, twin_of

from jacchain.algebra import matrix as mx
from jacchain.algebra.expand import expand_calls, expand_cost
from jacchain.algebra.kernels import run
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.numpy_kernels import NUMPY, NumpyKernels
from jacchain.algebra.pattern import transpose
from jacchain.algebra.product import PRODUCTS, multiply_calls, product
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import (
    STRUCTURES,
    Dense,
    Identity,
    Kronecker,
    Sparse,
    array_shapes,
    sparse,
    sparse_like,
    stored,
)
from jacchain.errors import SizeError
from jacchain.execution.count import CountingKernels

PAIRS = pytest.mark.parametrize("pair", PRODUCTS, ids=lambda pair: f"{pair[0].__name__}-{pair[1].__name__}")


def test_table_has_one_rule_for_every_pair_of_types():
    assert set(PRODUCTS) == {(a, b) for a in STRUCTURES for b in STRUCTURES}


@PAIRS
@given(data=st.data(), seed=seeds)
def test_product_equals_the_dense_twin_with_predicted_structure_and_counted_cost(pair, data, seed):
    a, b = (twin_of(s, seed + k) for k, s in enumerate(data.draw(structure_pairs(*pair))))
    predicted = product(a.matrix.structure, b.matrix.structure)
    buffers = [_buffers(structure) for structure in (a.matrix.structure, b.matrix.structure, predicted.structure)]
    kernels = CountingKernels(NUMPY)
    calls = multiply_calls(kernels, *buffers, np.full(predicted.scratch, np.nan))
    for buffer, twin in zip(buffers, (a, b), strict=False):  # values come only after the calls are bound
        for array, values in zip(buffer.arrays, twin.matrix.arrays, strict=True):
            array[...] = values
    run(calls)
    assert_allclose(dense_twin(*buffers[2]), a.dense @ b.dense, rtol=1e-12)
    assert kernels.multiplications == predicted.cost
    assert (a.matrix @ b.matrix).structure == predicted.structure


def _buffers(structure):
    """Views of a larger array, as in a program's workspace."""
    arrays = (np.full(1000 + 8 * np.prod(shape, dtype=int), np.nan) for shape in array_shapes(structure))
    shapes = array_shapes(structure)
    return Operand(structure, tuple(a[: np.prod(s, dtype=int)].reshape(s) for a, s in zip(arrays, shapes, strict=True)))


@PAIRS
@given(data=st.data(), seed=seeds)
def test_transposed_product_is_the_product_of_transposes(pair, data, seed):
    a, b = (twin_of(s, seed + k) for k, s in enumerate(data.draw(structure_pairs(*pair))))
    assert_allclose((b.matrix.T @ a.matrix.T).todense(), (a.dense @ b.dense).T, rtol=1e-12)
    assert_allclose((a.matrix @ b.matrix).T.todense(), (a.dense @ b.dense).T, rtol=1e-12)


@PAIRS
@given(data=st.data(), seed=seeds)
def test_result_may_take_over_the_operand_that_the_rule_names(pair, data, seed):
    a, b = (twin_of(s, seed + k) for k, s in enumerate(data.draw(structure_pairs(*pair))))
    predicted = product(a.matrix.structure, b.matrix.structure)
    for side in {"": (), "either": ("left", "right")}.get(predicted.rule.in_place, (predicted.rule.in_place,)):
        left, right = (Matrix(m.structure, tuple(x.copy() for x in m.arrays)) for m in (a.matrix, b.matrix))
        taken = left if side == "left" else right
        assert array_shapes(taken.structure) == array_shapes(predicted.structure)
        out = Operand(predicted.structure, taken.arrays)
        run(multiply_calls(NUMPY, Operand(*_parts(left)), Operand(*_parts(right)), out, np.empty(predicted.scratch)))
        assert_allclose(dense_twin(*out), a.dense @ b.dense, rtol=1e-12)


def _parts(matrix):
    return matrix.structure, matrix.arrays


@given(data=st.data(), seed=seeds)
def test_products_associate_for_every_triple_of_structures(data, seed):
    a = data.draw(structures(most=6))
    b = data.draw(structures(a.columns, most=6))
    c = data.draw(structures(b.columns, most=6))
    x, y, z = (twin_of(s, seed + k) for k, s in enumerate((a, b, c)))
    left = ((x.matrix @ y.matrix) @ z.matrix).todense()
    assert_allclose(left, (x.matrix @ (y.matrix @ z.matrix)).todense(), rtol=1e-11)
    assert_allclose(left, x.dense @ y.dense @ z.dense, rtol=1e-11)


@given(structures(), seeds)
def test_matmat_rmatmat_and_todense_equal_the_dense_twin(structure, seed):
    twin = twin_of(structure, seed)
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(structure.columns, 3)), rng.normal(size=(structure.rows, 2))
    assert_allclose(twin.matrix.todense(), twin.dense)
    assert_allclose(twin.matrix.matmat(x), twin.dense @ x, rtol=1e-11, atol=1e-12)
    assert_allclose(twin.matrix.rmatmat(y), twin.dense.T @ y, rtol=1e-11, atol=1e-12)
    assert_allclose(twin.matrix.T.todense(), twin.dense.T)


@given(structures())
def test_transposing_twice_gives_the_structure_back_and_keeps_what_is_stored(structure):
    flipped = transpose(structure)
    assert transpose(flipped) == structure
    assert (flipped.rows, flipped.columns, stored(flipped)) == (structure.columns, structure.rows, stored(structure))


@given(structures(), seeds)
def test_expanding_costs_what_is_predicted(structure, seed):
    twin, kernels = twin_of(structure, seed), CountingKernels(NUMPY)
    out = np.full(twin.dense.shape, np.nan)
    run(expand_calls(kernels, structure, twin.matrix.arrays, out))
    assert_allclose(out, twin.dense)
    assert kernels.multiplications == expand_cost(structure)


@given(structures(), structures())
def test_sizes_that_do_not_meet_are_refused_with_both_numbers(a, b):
    if a.columns != b.rows:
        with pytest.raises(SizeError, match=f"{a.columns} columns meet {b.rows} rows"):
            product(a, b)


@given(structures(), seeds)
def test_float32_stays_float32(structure, seed):
    matrix = twin_of(structure, seed, np.float32).matrix
    for product_ in (matrix @ matrix.T, matrix.T @ matrix):
        assert all(a.dtype == np.float32 for a in product_.arrays)


@pytest.mark.parametrize(
    ("indptr", "indices", "message"),
    [
        ([0, 1], [0], "indptr does not describe 2 rows"),
        ([0, 1, 2], [0, 3], "column 3 is outside 0..2"),
        ([0, 2, 2], [1, 0], "not sorted and unique"),
        ([0, 2, 2], [1, 1], "not sorted and unique"),
    ],
)
def test_bad_patterns_are_refused(indptr, indices, message):
    with pytest.raises(SizeError, match=message):
        sparse(2, 3, indptr, indices)


@given(data=st.data(), seed=seeds)
def test_sparse_products_in_panels_are_the_same(data, seed):
    sparse_structure = data.draw(sizes_for(Sparse))
    twin, rng = twin_of(sparse_structure, seed), np.random.default_rng(seed)
    x, y = rng.normal(size=(sparse_structure.columns, 5)), rng.normal(size=(5, sparse_structure.rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NumpyKernels, "panel", 7)
        assert_allclose((twin.matrix @ mx.dense(x)).todense(), twin.dense @ x, atol=1e-12)
        assert_allclose((mx.dense(y) @ twin.matrix).todense(), y @ twin.dense, atol=1e-12)


def test_only_a_kronecker_identity_spreads():
    for matrix in (Kronecker(Dense(2, 3), Dense(2, 2)), Kronecker(Identity(3), Dense(2, 2))):
        with pytest.raises(SizeError, match="is not A⊗I"):
            sparse_like(matrix)
    with pytest.raises(SizeError, match="give integers"):
        sparse(2, 3, [0, 1, 2], [0.5, 1])
