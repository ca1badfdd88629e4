"""Matrices at many points: their dense twin is SciPy's block_diag of the twins at each point."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import block_diag
from strategies import dense_twin, structures, twin_of

from jacchain.algebra.kernels import run
from jacchain.algebra.lifted import (
    blocks,
    blocks_calls,
    keeps_arrays,
    lift_point_calls,
    lift_shared_calls,
    lifted,
    point_operand,
)
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.product import product
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import BlockDiagonal, Dense, Identity, Kronecker, Structure, array_shapes


def lifted_matrix(structure: Structure, twins: list[Matrix], *, is_shared: bool) -> Matrix:
    """The matrices at several points as one, by the calls of the module."""
    count = len(twins)
    whole = lifted(structure, count, is_shared=is_shared)
    out = Operand(whole, tuple(np.full(shape, np.nan) for shape in array_shapes(whole)))
    if is_shared:
        run(lift_shared_calls(NUMPY, structure, count, twins[0].arrays, out))
        return Matrix(*out)
    for k, twin in enumerate(twins):
        place = point_operand(structure, count, out, k, is_shared=False)
        assert (place is not None) == keeps_arrays(structure, count, is_shared=False)
        if place is None:
            run(lift_point_calls(NUMPY, structure, count, twin.arrays, out, k))
        for mine, theirs in zip(() if place is None else place.arrays, twin.arrays, strict=place is not None):
            mine[...] = theirs
    return Matrix(*out)


@given(structures(most=4), st.integers(1, 4), st.booleans())
def test_a_lifted_matrix_is_the_block_diagonal_of_those_at_each_point(structure, count, is_shared):
    twins = [twin_of(structure, 0 if is_shared else k) for k in range(count)]
    found = lifted_matrix(structure, [twin.matrix for twin in twins], is_shared=is_shared)
    expected = block_diag(*(twin.dense for twin in twins))
    np.testing.assert_array_equal(dense_twin(*_parts(found)), expected)
    place = point_operand(structure, count, Operand(*_parts(found)), count - 1, is_shared=is_shared)
    if place is not None:
        np.testing.assert_array_equal(dense_twin(*place), twins[-1].dense)
    out = np.full((count, structure.rows, structure.columns), np.nan)
    run(blocks_calls(NUMPY, *_parts(found), count, out))
    np.testing.assert_array_equal(out, [twin.dense for twin in twins])
    assert (blocks(found.structure, count).rows, blocks(found.structure, count).columns) == expected.shape


def _parts(matrix: Matrix):
    return matrix.structure, matrix.arrays


@given(st.data(), st.integers(2, 3))
def test_products_at_many_points_are_those_at_each_and_shared_ones_are_made_once(data, count):
    left = data.draw(structures(most=4))
    right = data.draw(structures(left.columns, most=4))
    sides = [(structure, data.draw(st.booleans())) for structure in (left, right)]
    twins = [[twin_of(s, k * (not shared)) for k in range(count)] for s, shared in sides]
    a, b = (
        lifted_matrix(s, [twin.matrix for twin in found], is_shared=shared)
        for (s, shared), found in zip(sides, twins, strict=True)
    )
    expected = np.stack([x.dense @ y.dense for x, y in zip(*twins, strict=True)])
    out = np.empty(expected.shape)
    run(blocks_calls(NUMPY, *_parts(a @ b), count, out))
    np.testing.assert_allclose(out, expected, rtol=1e-12)
    if isinstance(left, Dense) and isinstance(right, Dense):
        times = 1 if all(shared for _, shared in sides) else count
        assert product(a.structure, b.structure).cost == times * product(left, right).cost


@given(st.integers(1, 3), st.sampled_from([(1, 1), (1, 2), (2, 1)]), st.integers(1, 3), st.integers(1, 2))
def test_blocks_are_found_wherever_only_the_numbers_of_a_kronecker_product_fall_apart(count, shape, each, size):
    rows, columns = (n * count for n in shape)
    apart = np.kron(np.eye(count), np.arange(1.0, 1 + shape[0] * shape[1]).reshape(shape))
    for structure, arrays in [
        (Kronecker(Dense(1, 1), Identity(count * each)), (np.full((1, 1), 3.0),)),
        (Kronecker(Dense(rows, columns), Identity(each)), (apart,)),
        (Kronecker(Dense(rows, columns), Dense(size, each)), (apart, np.ones((size, each)))),
        (BlockDiagonal(2, count, count), (np.stack([np.eye(count)] * 2),)),
    ]:
        whole = dense_twin(structure, arrays)
        m, n = whole.shape[0] // count, whole.shape[1] // count
        out = np.full((count, m, n), np.nan)
        run(blocks_calls(NUMPY, structure, arrays, count, out))
        np.testing.assert_array_equal(out, np.einsum("bmbn->bmn", whole.reshape(count, m, count, n)))


def test_what_is_stored_once_for_all_points():
    assert lifted(Dense(2, 3), 5, is_shared=True) == Kronecker(Identity(5), Dense(2, 3))
    assert lifted(Kronecker(Identity(2), Dense(2, 3)), 5, is_shared=True) == Kronecker(Identity(10), Dense(2, 3))
