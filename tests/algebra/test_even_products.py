"""Products of matrices whose entries lie evenly, and symmetric products of A⊗I: the dense twins, exactly counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import dense_twin, seeds, twin_of

from jacchain.algebra.kernels import run
from jacchain.algebra.layered import (
    column_pairs,
    is_layered,
    layered_calls,
    layered_cost,
    layered_scratch,
    layered_structure,
    pair_calls,
)
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.product import product
from jacchain.algebra.rule import Operand
from jacchain.algebra.spread import is_even
from jacchain.algebra.structure import (
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    array_shapes,
    sparse_like,
)
from jacchain.algebra.symmetric import congruence, half_calls, half_cost, mirror_entries, mirror_scratch
from jacchain.execution.count import CountingKernels

sizes = st.integers(2, 5)


def layers(rows, columns, size):
    """Return A⊗I and what has its pattern."""
    factored = Kronecker(Dense(rows, columns), Identity(size))
    return factored, sparse_like(factored)


def blocks(count, rows, columns):
    """Return I⊗B and as many blocks."""
    return Kronecker(Identity(count), Dense(rows, columns)), BlockDiagonal(count, rows, columns)


@given(rows=sizes, inner=sizes, columns=sizes, size=sizes, kinds=st.tuples(st.booleans(), st.booleans()), seed=seeds)
def test_layers_times_layers(rows, inner, columns, size, kinds, seed):
    left, right = layers(rows, inner, size)[kinds[0]], layers(inner, columns, size)[kinds[1]]
    check(left, right, seed, even=any(kinds))


@given(count=sizes, rows=sizes, size=sizes, columns=sizes, kinds=st.tuples(st.booleans(), st.booleans()), seed=seeds)
def test_blocks_times_layers_and_layers_times_blocks(count, rows, size, columns, kinds, seed):
    left, right = blocks(count, rows, size)[kinds[0]], layers(count, columns, size)[kinds[1]]
    check(left, right, seed, even=any(kinds))
    left, right = layers(columns, count, size)[kinds[1]], blocks(count, size, rows)[kinds[0]]
    check(left, right, seed, even=any(kinds))


def check(left, right, seed, *, even):
    assert is_even(left, right) == even
    a, b = twin_of(left, seed), twin_of(right, seed + 1)
    found = a.matrix @ b.matrix
    predicted = product(left, right)
    assert found.structure == predicted.structure
    assert_allclose(found.todense(), a.dense @ b.dense, rtol=1e-12, atol=1e-12)
    if even:
        assert predicted.scratch == 0


@given(rows=sizes, columns=sizes, size=sizes, seed=seeds)
def test_layered_congruence_equals_its_twin_symmetric_to_the_last_bit(rows, columns, size, seed):
    p, c = twin_of(Kronecker(Dense(rows, columns), Identity(size)), seed), twin_of(Diagonal(rows * size), seed + 1)
    structure, pairs = layered_structure(p.matrix.structure), column_pairs(p.matrix.structure)
    kernels = CountingKernels(NUMPY)
    held, out = np.empty(array_shapes(pairs)[0]), np.full(array_shapes(structure)[0], np.nan)
    scratch = np.full(max(held.size, layered_scratch(p.matrix.structure)), np.nan)
    run(pair_calls(kernels, p.matrix.arrays[0], held, scratch))
    run(layered_calls(kernels, p.matrix.structure, held, c.matrix.arrays[0], out, scratch))
    found = dense_twin(structure, (out,))
    assert_allclose(found, p.dense.T @ c.dense @ p.dense, rtol=1e-12, atol=1e-12)
    assert_array_equal(found, found.T)
    assert kernels.multiplications == layered_cost(p.matrix.structure) + held.size
    assert structure == congruence(c.matrix.structure, p.matrix.structure).structure
    if is_layered(c.matrix.structure, p.matrix.structure):
        assert kernels.multiplications <= congruence(c.matrix.structure, p.matrix.structure).cost


@pytest.mark.parametrize(("rows", "columns"), [(3, 2), (7, 40), (40, 7), (5, 130)])
def test_half_of_a_symmetric_product_is_mirrored(rows, columns):
    rng = np.random.default_rng(0)
    p, c = rng.normal(size=(rows, columns)), rng.normal(size=(rows, rows))
    t, out, kernels = (c + c.T) @ p, np.full((columns, columns), np.nan), CountingKernels(NUMPY)
    run(half_calls(kernels, p, t, out))
    assert_allclose(out, p.T @ t, rtol=1e-10, atol=1e-10)
    assert_array_equal(out, out.T)
    assert kernels.multiplications == half_cost(Dense(rows, columns))


@pytest.mark.parametrize(
    "structure", [Dense(9, 9), BlockDiagonal(3, 3, 3), sparse_like(Kronecker(Dense(3, 3), Identity(4)))]
)
def test_mirroring_writes_the_lower_half_over_the_upper_one(structure):
    found = twin_of(structure, 3)
    lower = np.tril(found.dense)
    scratch = np.empty(mirror_scratch(structure))
    run(mirror_entries(NUMPY, Operand(structure, found.matrix.arrays), scratch))
    made = found.matrix.todense()
    assert_array_equal(made, made.T)
    if not isinstance(structure, Dense):  # of a dense one the upper half is kept
        assert_array_equal(np.tril(made), lower)
