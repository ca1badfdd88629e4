"""The table of sums: every pair, its mirror image, its predicted structure, and what it may write over."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import dense_twin, matching_structures, nested_structures, seeds, shaped, sizes_for, structures, twin_of

from jacchain.algebra.addition import ADDITIONS, add_calls, addition
from jacchain.algebra.entries import has_entries
from jacchain.algebra.expand import expand_cost
from jacchain.algebra.kernels import run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.product import product
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import (
    STRUCTURES,
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Negation,
    Sparse,
    array_shapes,
    csr_arrays,
    is_unit,
    sparse,
    sparse_like,
    stored,
)
from jacchain.errors import SizeError
from jacchain.execution.count import CountingKernels

PAIRS = pytest.mark.parametrize("pair", ADDITIONS, ids=lambda pair: f"{pair[0].__name__}-{pair[1].__name__}")
FEW = settings(max_examples=25)  # for each of 49 pairs
CLOSE = {"rtol": 1e-12, "atol": 1e-13}
SIDES = {"": (), "either": ("left", "right"), "left": ("left",), "right": ("right",)}


def buffers(structure, dtype=np.float64):
    """Views of a larger array full of nonsense, as in a program's workspace."""
    shapes = array_shapes(structure)
    held = [np.full(1000 + np.prod(shape, dtype=int), np.nan, dtype) for shape in shapes]
    return Operand(structure, tuple(a[: np.prod(s, dtype=int)].reshape(s) for a, s in zip(held, shapes, strict=True)))


def filled(buffer, matrix):
    for array, values in zip(buffer.arrays, matrix.arrays, strict=True):
        array[...] = values


def expected_cost(*operands):
    """The multiplications of writing out each A⊗B, where nothing else is needed."""
    return sum(expand_cost(s) for s in operands if not has_entries(s))


def test_table_has_a_row_for_every_pair_of_types():
    assert set(ADDITIONS) == {(a, b) for a in STRUCTURES for b in STRUCTURES}


@PAIRS
@FEW
@given(data=st.data(), seed=seeds)
def test_sum_equals_the_dense_twin_with_predicted_structure_and_counted_cost(pair, data, seed):
    a, b = (twin_of(s, seed + k) for k, s in enumerate(data.draw(matching_structures(*pair))))
    predicted = addition(a.matrix.structure, b.matrix.structure)
    left, right, out = (buffers(s) for s in (a.matrix.structure, b.matrix.structure, predicted.structure))
    kernels = CountingKernels(NUMPY)
    scratch = np.full(predicted.scratch, np.nan) if predicted.scratch else None
    calls = add_calls(kernels, left, right, out, scratch)
    for k in range(2):  # values come only after the calls are bound, and may change
        a, b = twin_of(left.structure, seed + k), twin_of(right.structure, seed + k + 1)
        filled(left, a.matrix)
        filled(right, b.matrix)
        run(calls)
        assert_allclose(dense_twin(*out), a.dense + b.dense, **CLOSE)
    assert kernels.multiplications == 2 * predicted.cost
    assert predicted.cost == expected_cost(left.structure, right.structure)
    for operand, twin in ((left, a), (right, b)):
        for array, values in zip(operand.arrays, twin.matrix.arrays, strict=True):
            assert_array_equal(array, values)


@PAIRS
@FEW
@given(data=st.data())
def test_the_order_of_operands_does_not_matter(pair, data):
    a, b = data.draw(matching_structures(*pair))
    one, other = addition(a, b), addition(b, a)
    assert (one.structure, one.cost, one.scratch) == (other.structure, other.cost, other.scratch)
    turned = {"left": "right", "right": "left"}
    assert one.rule.in_place == turned.get(other.rule.in_place, other.rule.in_place)


@PAIRS
@FEW
@given(data=st.data(), seed=seeds)
def test_sum_may_take_over_the_operand_that_the_rule_names(pair, data, seed):
    a, b = (twin_of(s, seed + k) for k, s in enumerate(data.draw(matching_structures(*pair))))
    predicted = addition(a.matrix.structure, b.matrix.structure)
    for side in SIDES[predicted.rule.in_place]:
        left, right = buffers(a.matrix.structure), buffers(b.matrix.structure)
        taken = left if side == "left" else right
        assert taken.structure == predicted.structure
        calls = add_calls(NUMPY, left, right, Operand(*taken), np.full(predicted.scratch, np.nan))
        filled(left, a.matrix)
        filled(right, b.matrix)
        run(calls)
        assert_allclose(dense_twin(*taken), a.dense + b.dense, **CLOSE)


@given(structures(), seeds)
def test_a_matrix_may_be_added_to_itself(structure, seed):
    twin = twin_of(structure, seed)
    assert_allclose((twin.matrix + twin.matrix).todense(), 2 * twin.dense, **CLOSE)
    predicted, operand = addition(structure, structure), Operand(structure, twin.matrix.arrays)
    if predicted.rule.in_place:
        expected = 2 * twin.dense
        run(add_calls(NUMPY, operand, operand, operand, np.empty(predicted.scratch)))
        assert_allclose(dense_twin(*operand), expected, **CLOSE)


@given(data=st.data(), seed=seeds)
def test_sums_associate_and_differences_undo_them(data, seed):
    x, y, z = (twin_of(s, seed + k) for k, s in enumerate(data.draw(matching_structures(None, None, None))))
    whole = x.dense + y.dense + z.dense
    assert_allclose(((x.matrix + y.matrix) + z.matrix).todense(), whole, **CLOSE)
    assert_allclose((x.matrix + (y.matrix + z.matrix)).todense(), whole, **CLOSE)
    assert_allclose(((x.matrix + y.matrix) - y.matrix).todense(), x.dense, **CLOSE)
    assert_allclose((x.matrix + y.matrix).T.todense(), (x.matrix.T + y.matrix.T).todense(), **CLOSE)


@given(data=st.data(), seed=seeds)
def test_products_distribute_over_sums(data, seed):
    b, c = (twin_of(s, seed + k) for k, s in enumerate(data.draw(matching_structures(None, None))))
    a = twin_of(_ending_in(data, b), seed + 2)
    together = (a.matrix @ (b.matrix + c.matrix)).todense()
    assert_allclose(together, a.dense @ (b.dense + c.dense), rtol=1e-11, atol=1e-12)
    assert_allclose(together, (a.matrix @ b.matrix + a.matrix @ c.matrix).todense(), rtol=1e-11, atol=1e-12)


def _ending_in(data, twin):
    """A structure with as many columns as a matrix has rows."""
    columns = twin.matrix.structure.rows
    kind = data.draw(st.sampled_from(STRUCTURES))
    rows = columns if kind in (Identity, Negation, Diagonal) else data.draw(st.integers(1, 8))
    return data.draw(shaped(kind, rows, columns))


@given(structures(), seeds)
def test_minus_a_matrix_keeps_its_structure_and_costs_nothing(structure, seed):
    twin = twin_of(structure, seed)
    assert_array_equal((-twin.matrix).todense(), -twin.dense)
    minus = -twin.matrix
    assert_array_equal((-minus).todense(), twin.dense)
    for made in (product(Negation(structure.rows), structure), product(structure, Negation(structure.columns))):
        assert made.cost == 0
        assert stored(made.structure) == stored(structure)
        assert is_unit(structure) or made.structure == structure


@given(data=st.data(), seed=seeds)
def test_sums_of_float32_stay_float32(data, seed):
    x, y = (twin_of(s, seed + k, np.float32) for k, s in enumerate(data.draw(matching_structures(None, None))))
    if x.matrix.arrays or y.matrix.arrays:
        assert all(array.dtype == np.float32 for array in (x.matrix + y.matrix).arrays)


@given(structures(), structures())
def test_sums_of_different_shapes_are_refused_with_both(a, b):
    if (a.rows, a.columns) != (b.rows, b.columns):
        with pytest.raises(SizeError, match=f"{a.rows}x{a.columns} meets {b.rows}x{b.columns}"):
            addition(a, b)


@given(data=st.data())
def test_a_sum_is_never_larger_than_its_union_and_dense_only_where_it_must_be(data):
    a, b = data.draw(matching_structures(None, None))
    made = addition(a, b).structure
    if all(map(has_entries, (a, b))):
        ones = (np.abs(dense_twin(s, tuple(np.ones(shape) for shape in array_shapes(s)))) for s in (a, b))
        union = int(np.count_nonzero(sum(ones)))
        assert stored(made) <= union
        assert not isinstance(made, Dense) or union == made.rows * made.columns


A, B = Dense(2, 2), Dense(3, 3)


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        (Identity(6), Identity(6), Diagonal(6)),
        (Identity(6), Negation(6), Diagonal(6)),
        (Identity(6), Diagonal(6), Diagonal(6)),
        (Negation(6), Kronecker(A, Identity(3)), Kronecker(A, Identity(3))),
        (Identity(6), Kronecker(Identity(3), A), Kronecker(Identity(3), A)),
        (Kronecker(A, Identity(3)), Kronecker(A, Identity(3)), Kronecker(A, Identity(3))),
        (Kronecker(A, Identity(3)), Kronecker(Identity(2), B), "sparse 6x6, 24 nonzeros"),
        (Kronecker(A, B), Kronecker(A, B), Dense(6, 6)),
        (Kronecker(Identity(3), A), BlockDiagonal(3, 2, 2), BlockDiagonal(3, 2, 2)),
        (Diagonal(6), Kronecker(Identity(3), A), BlockDiagonal(3, 2, 2)),
        (Diagonal(6), Kronecker(A, Identity(3)), sparse_like(Kronecker(A, Identity(3)))),
        (Diagonal(6), sparse_like(Kronecker(A, Identity(3))), sparse_like(Kronecker(A, Identity(3)))),
        (Negation(6), BlockDiagonal(3, 2, 2), BlockDiagonal(3, 2, 2)),
        (Diagonal(2), sparse(2, 2, [0, 1, 2], [1, 0]), Dense(2, 2)),
        (sparse(2, 2, [0, 1, 2], [0, 0]), sparse(2, 2, [0, 0, 1], [1]), sparse(2, 2, [0, 1, 3], [0, 0, 1])),
        (Kronecker(A, B), Dense(6, 6), Dense(6, 6)),
    ],
)
def test_structure_is_kept_where_both_operands_have_it(left, right, result):
    made = addition(left, right).structure
    assert (str(made) if isinstance(result, str) else made) == result


def test_what_stands_in_the_larger_pattern_is_added_in_place():
    inner, outer = sparse(2, 3, [0, 1, 1], [2]), sparse(2, 3, [0, 2, 3], [0, 2, 1])
    assert addition(inner, outer).rule.in_place == "right"
    assert addition(outer, inner).rule.in_place == "left"
    assert addition(outer, outer).rule.in_place == "either"
    assert addition(Dense(2, 3), inner).rule.in_place == "left"


@settings(max_examples=150)
@given(nested_structures(), seeds)
def test_a_pattern_takes_what_it_holds_in_place(pair, seed):
    inner, outer = pair
    for structures_, side in ((pair, 1), (pair[::-1], 0)):
        predicted = addition(*structures_)
        if predicted.structure == outer:
            assert predicted.rule.in_place in ("either", ("left", "right")[side])
            operands = [buffers(s) for s in structures_]
            twins = [twin_of(s, seed + k) for k, s in enumerate(structures_)]
            calls = add_calls(NUMPY, *operands, operands[side], np.full(predicted.scratch, np.nan))
            for operand, twin in zip(operands, twins, strict=True):
                filled(operand, twin.matrix)
            run(calls)
            assert_allclose(dense_twin(*operands[side]), twins[0].dense + twins[1].dense, **CLOSE)
        else:
            full = outer.nonzeros == outer.rows * outer.columns
            assert full or not has_entries(inner) or stored(predicted.structure) <= outer.nonzeros


@given(data=st.data())
def test_patterns_stated_in_two_ways_are_one_pattern(data):
    stated = data.draw(sizes_for(Sparse).filter(lambda s: s.of is not None))
    written = sparse(stated.rows, stated.columns, *csr_arrays(stated))
    full = stated.nonzeros == stated.rows * stated.columns
    assert addition(stated, written).structure == (Dense(stated.rows, stated.columns) if full else stated)


@pytest.mark.parametrize("order", [1, -1])
def test_a_factor_that_is_a_strided_view_is_read_when_the_sum_is_made(order):
    held = np.full((2, 2), np.nan)  # the numbers come after the calls are made
    left = Operand(Kronecker(Identity(2), Dense(2, 2)), (held.T,))
    right = Operand(Kronecker(Dense(2, 2), Identity(2)), (held,))
    operands = (left, right)[::order]
    predicted = addition(operands[0].structure, operands[1].structure)
    out = buffers(predicted.structure)
    calls = add_calls(NUMPY, *operands, out, np.full(predicted.scratch, np.nan))
    held[...] = [[1.0, 2.0], [3.0, 4.0]]
    run(calls)
    assert_allclose(dense_twin(*out), np.kron(np.eye(2), held.T) + np.kron(held, np.eye(2)), **CLOSE)
