"""Blocks put in their places: the sum of their twins at their rows and columns."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import dense_twin, seeds, structures, twin_of

from jacchain.algebra.kernels import run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Diagonal, Identity, Kronecker, array_shapes
from jacchain.execution.assembly import Assembly, Part


def has_entries(structure):
    return not (
        isinstance(structure, Kronecker) and isinstance(structure.left, Dense) and isinstance(structure.right, Dense)
    )


@given(data=st.data(), seed=seeds, is_sparse=st.booleans())
def test_assembly_adds_blocks_at_their_places(data, seed, is_sparse):
    total = 30
    parts, twins = [], []
    expected = np.zeros((total, total))
    for k in range(data.draw(st.integers(0, 3))):
        twin = twin_of(data.draw(structures(most=5).filter(has_entries)), seed + k)
        structure = twin.matrix.structure
        is_turned = data.draw(st.booleans())
        rows, columns = (np.array(data.draw(st.permutations(range(total)))[:n]) for n in twin.dense.shape)
        if data.draw(st.booleans()):
            rows, columns = np.sort(rows), np.arange(total)[3 : 3 + structure.columns]
        if is_turned:
            parts.append(Part(k, columns, rows, is_turned=True))
            np.add.at(expected, np.ix_(columns, rows), twin.dense.T)
        else:
            parts.append(Part(k, rows, columns))
            np.add.at(expected, np.ix_(rows, columns), twin.dense)
        twins.append(twin)
    made = assembled(Assembly(total, total, tuple(parts), is_sparse=is_sparse), twins)
    assert_allclose(made, expected, rtol=1e-13, atol=1e-13)


def assembled(assembly, twins, *, is_mirrored=False):
    """Return what the calls write, as a dense matrix, run twice with other numbers in between."""
    found = [twin.matrix.structure for twin in twins]
    structure = assembly.structure(found)
    out = Operand(structure, tuple(np.full(shape, np.nan) for shape in array_shapes(structure)))
    operands = [Operand(s, tuple(np.full(shape, np.nan) for shape in array_shapes(s))) for s in found]
    scratch = np.full(max(assembly.scratch(found), out.arrays[0].size), np.nan)
    calls = assembly.calls(NUMPY, operands, out, scratch, is_mirrored=is_mirrored)
    run(calls)
    for operand, twin in zip(operands, twins, strict=True):
        for target, values in zip(operand.arrays, twin.matrix.arrays, strict=True):
            target[...] = values
    run(calls)
    return dense_twin(structure, out.arrays)


def test_the_whole_is_mirrored_where_asked():
    twin = twin_of(Dense(3, 3), 1)
    for is_sparse in (False, True):
        made = assembled(
            Assembly(3, 3, (Part(0, None, None),), is_sparse=is_sparse, is_symmetric=True), [twin], is_mirrored=True
        )
        assert_array_equal(made, made.T)


def test_without_parts_it_is_zero():
    assert_array_equal(assembled(Assembly(2, 3, ()), []), np.zeros((2, 3)))
    assert_array_equal(assembled(Assembly(2, 3, (), is_sparse=True), []), np.zeros((2, 3)))


def test_units_have_places_too():
    parts = (Part(0, np.array([1, 3]), np.array([0, 2])), Part(1, np.array([0, 1]), np.array([0, 2])))
    made = assembled(Assembly(4, 3, parts), [twin_of(Identity(2), 0), twin_of(Diagonal(2), 4)])
    assert made[1, 0] == made[3, 2] == 1
    assert made[1, 2] != 0
