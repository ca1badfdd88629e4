"""Blocks of two sizes: the product has the larger ones, at the price of the dense twin's blocks, whatever they are."""

from itertools import product as combinations

import numpy as np
import pytest

from jacchain.algebra.matrix import Matrix
from jacchain.algebra.product import product
from jacchain.algebra.structure import (
    BlockDiagonal,
    Dense,
    Identity,
    Kronecker,
    Sparse,
    array_shapes,
    block_diagonal,
    kronecker,
)


def blocks(is_shared, count, rows, columns):
    return kronecker(Identity(count), Dense(rows, columns)) if is_shared else block_diagonal(count, rows, columns)


def matrix(structure, seed):
    random = np.random.default_rng(seed)
    return Matrix(structure, tuple(random.normal(size=shape) for shape in array_shapes(structure)))


@pytest.mark.parametrize("is_left_coarse", [True, False])
@pytest.mark.parametrize("shared", list(combinations([True, False], repeat=2)))
def test_larger_blocks_times_several_smaller_ones(shared, is_left_coarse):
    for few, each, p, q, r in combinations((2, 3), (2, 3), (1, 2), (1, 3), (1, 2)):
        sizes = [(few, p, each * q), (few * each, q, r)] if is_left_coarse else [(few * each, p, q), (few, each * q, r)]
        left, right = (blocks(is_shared, *size) for is_shared, size in zip(shared, sizes, strict=True))
        found = product(left, right)
        made = matrix(left, 0) @ matrix(right, 1)
        np.testing.assert_allclose(made.todense(), matrix(left, 0).todense() @ matrix(right, 1).todense(), atol=1e-12)
        assert made.structure == found.structure
        assert found.cost <= few * each * p * q * r
        if isinstance(left, Kronecker | BlockDiagonal) and isinstance(right, Kronecker | BlockDiagonal):
            assert not isinstance(found.structure, Dense | Sparse)
            assert isinstance(found.structure, Kronecker) == all(shared) or p == r == 1
