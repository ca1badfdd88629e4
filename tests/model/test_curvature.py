"""Curvature of the primitives: against central differences of their own local Jacobians, and of itself."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from jacchain.algebra.kernels import run
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import (
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    array_shapes,
    csr_arrays,
    sparse_agreeing,
    sparse_like,
)
from jacchain.execution.operation import VALUE
from jacchain.model.primitives.binary import BINARY, Binary
from jacchain.model.primitives.elementwise import ElementwisePrimitive
from jacchain.model.primitives.formula import python_source
from jacchain.model.primitives.matmul import MatMul
from jacchain.model.primitives.reduction import Prod
from jacchain.model.primitives.softmax import Logsumexp, Softmax
from jacchain.model.primitives.unary import UNARY, Power

NOT_STATED: frozenset[type] = frozenset()
"""The primitives that state no curvature."""

ALL: list[Any] = [
    *import_module("test_primitives").EXAMPLES,
    *import_module("test_shape_primitives").EXAMPLES,
]
STATED = [example for example in ALL if type(example.primitive) not in NOT_STATED]
CURVED = [example for example in STATED if example.primitive.facts(example.shapes).curvatures]


def named(examples):
    return [f"{e.primitive!r}-{e.shapes}".replace(" ", "") for e in examples]


stated = pytest.mark.parametrize("example", STATED, ids=named(STATED))
curved = pytest.mark.parametrize("example", CURVED, ids=named(CURVED))


def adjoint(example, seed=0):
    output = example.primitive.facts(example.shapes).output
    return np.random.default_rng(seed).normal(size=int(np.prod(output)))


def pulled(primitive, k, u, xs):
    """u J_k, flat."""
    local = primitive.local(k, *xs)
    return np.zeros(xs[k].size) if local is None else u @ local.todense()


def differences(primitive, i, j, u, xs, step=1e-5):
    """The derivative of u J_i with respect to input j by central differences."""
    columns = []
    for place in range(xs[j].size):
        sides = []
        for sign in (1, -1):
            moved = xs[j].copy()
            moved.reshape(-1)[place] += sign * step
            sides.append(pulled(primitive, i, u, (*xs[:j], moved, *xs[j + 1 :])))
        columns.append((sides[0] - sides[1]) / (2 * step))
    return np.stack(columns, axis=1) if columns else np.zeros((xs[i].size, 0))


def pairs(example):
    """All pairs of inputs that may have a curvature."""
    count = len(example.shapes)
    masked = 1 if getattr(example, "is_mask", False) else 0
    return [(i, j) for i in range(masked, count) for j in range(i, count)]


def facts_of(example, pair):
    return next(one for one in example.primitive.facts(example.shapes).curvatures if (one.first, one.second) == pair)


def stated_pairs(example):
    return [(one.first, one.second) for one in example.primitive.facts(example.shapes).curvatures]


@stated
def test_curvatures_are_central_differences_of_local_jacobians(example):
    xs, u = example.point(1), adjoint(example)
    for i, j in pairs(example):
        wanted = differences(example.primitive, i, j, u, xs)
        found = example.primitive.curvature((i, j), u, *xs)
        dense = np.zeros_like(wanted) if found is None else found.todense()
        assert_allclose(dense, wanted, rtol=1e-7, atol=1e-8 * max(1, np.abs(wanted).max(initial=0)))


@stated
def test_pairs_are_in_order_and_stated_once(example):
    found = stated_pairs(example)
    assert len(set(found)) == len(found)
    assert set(found) <= set(pairs(example))


@curved
def test_the_produced_structure_is_the_stated_one_and_symmetric_to_the_last_bit(example):
    xs, u = example.point(2), adjoint(example)
    for pair in stated_pairs(example):
        facts, found = facts_of(example, pair), example.primitive.curvature(pair, u, *xs)
        assert found.structure == facts.structure
        assert tuple(array.shape for array in found.arrays) == array_shapes(facts.structure)
        assert (facts.structure.rows, facts.structure.columns) == (xs[pair[0]].size, xs[pair[1]].size)
        if pair[0] == pair[1]:
            assert_array_equal(found.todense(), found.todense().T)
        if facts.view:
            assert not facts.reads
            assert all(np.shares_memory(array, u) for array in example.primitive.curvature_views(pair, u))


@curved
def test_curvatures_of_float32_stay_float32_and_agree(example):
    xs, u = example.point(3, np.float32), adjoint(example)
    exact = tuple(x.astype(float) for x in xs)
    for pair in stated_pairs(example):
        found, wanted = example.primitive.curvature(pair, u, *xs), example.primitive.curvature(pair, u, *exact)
        assert all(array.dtype == np.float32 for array in found.arrays)
        for one, other in zip(found.arrays, wanted.arrays, strict=True):
            assert_allclose(one, other, rtol=5e-4, atol=5e-4 * max(1, np.abs(other).max(initial=0)))


@curved
def test_curvatures_of_strided_inputs_are_the_same(example):
    xs, u = example.point(4), adjoint(example)
    views = tuple(import_module("test_primitives").strided(x, k) for k, x in enumerate(xs))
    for pair in stated_pairs(example):
        found, wanted = example.primitive.curvature(pair, u, *views), example.primitive.curvature(pair, u, *xs)
        for one, other in zip(found.arrays, wanted.arrays, strict=True):
            assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@curved
def test_calls_of_curvatures_run_again_give_the_same_for_new_numbers(example):
    first, second = example.point(5), example.point(6)
    for pair in stated_pairs(example):
        facts = facts_of(example, pair)
        if facts.view:
            continue
        xs, u = tuple(np.array(x) for x in first), adjoint(example, 0)
        y = example.primitive.value(*xs)
        given = tuple(x if i in facts.reads else None for i, x in enumerate(xs))
        out = Operand(facts.structure, tuple(np.full(s, np.nan) for s in array_shapes(facts.structure)))
        scratch = np.full(facts.scratch, np.nan)
        seen = y if VALUE in facts.reads else None
        calls = example.primitive.curvature_calls(NUMPY, pair, given, seen, u, out, scratch)
        run(calls)
        for x, new in zip(xs, second, strict=True):
            x[...] = new
        y[...] = example.primitive.value(*second)
        u[...] = adjoint(example, 1)
        run(calls)
        wanted = example.primitive.curvature(pair, u, *second)
        for one, other in zip(out.arrays, wanted.arrays, strict=True):
            assert_array_equal(one, other)


def bent(primitive, pair, reads, u, v, xs, y):
    """(u·∂²f) v as the calls write it, given only what the facts say is read."""
    given = tuple(x if i in reads else None for i, x in enumerate(xs))
    out = np.full(xs[pair[0]].size, np.nan, xs[0].dtype)
    run(primitive.bend_calls(NUMPY, pair, given, y if VALUE in reads else None, u, v, out))
    return out


APPLIED = [e for e in CURVED if any(one.applies for one in e.primitive.facts(e.shapes).curvatures)]


@pytest.mark.parametrize("example", APPLIED, ids=named(APPLIED))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_is_applied_is_the_matrix_times_the_vector(example, dtype):
    xs, u = example.point(7, dtype), adjoint(example).astype(dtype)
    y, rng = example.primitive.value(*xs), np.random.default_rng(1)
    for i, j in stated_pairs(example):
        facts = facts_of(example, (i, j))
        if not facts.applies:
            continue
        matrix = example.primitive.curvature((i, j), u, *xs).todense()
        scale = max(1, np.abs(matrix).max())
        limit = {"rtol": 1e-11, "atol": 1e-12 * scale} if dtype is np.float64 else {"rtol": 2e-3, "atol": 2e-4 * scale}
        for pair, dense in (((i, j), matrix), ((j, i), matrix.T)):
            v = rng.normal(size=xs[pair[1]].size).astype(dtype)
            found = bent(example.primitive, pair, facts.reads, u, v, xs, y)
            assert found.dtype == dtype
            assert_allclose(found, dense @ v, **limit)


ELEMENTWISE = [e for e in CURVED if isinstance(e.primitive, ElementwisePrimitive)]


@pytest.mark.parametrize("example", ELEMENTWISE, ids=named(ELEMENTWISE))
def test_curvatures_of_elementwise_maps_have_scalar_source_where_derivatives_do(example):
    xs, found = example.point(8), example.primitive.formulas
    names = [f"v{k}" for k in range(len(xs))]
    math = import_module("math")
    scope = {"math": math, **{name: float(x.reshape(-1)[0]) for name, x in zip(names, xs, strict=True)}}
    scope["w"] = float(example.primitive.value(*xs).reshape(-1)[0])
    u = np.ones(xs[0].size)
    for i, j, formula in found.curvatures:
        source = python_source(formula, found.names(names, "w"))
        if source is not None:
            wanted = example.primitive.curvature((i, j), u, *xs).todense()[0, 0]
            assert_allclose(eval(source, scope), wanted, rtol=1e-12, atol=1e-14)


def test_a_curvature_that_is_the_adjoint_is_a_view_of_it():
    (facts,) = BINARY["multiply"].facts(((3,), (3,))).curvatures
    assert (facts.first, facts.second, facts.structure) == (0, 1, Diagonal(3))
    assert (facts.view, facts.reads, facts.scratch) == (True, (), 0)
    u = np.arange(3.0)
    assert np.shares_memory(BINARY["multiply"].curvature((0, 1), u, u, u).arrays[0], u)


def test_linear_maps_and_pieces_have_no_curvature():
    for name in ("add", "subtract", "maximum", "minimum", "copysign", "fmod", "remainder", "heaviside", "greater"):
        assert BINARY[name].facts(((2,), (2,))).curvatures == ()
    for name in ("negative", "positive", "absolute", "sign", "floor", "deg2rad"):
        assert UNARY[name].facts(((2,),)).curvatures == ()
    assert Power(0).facts(((2,),)).curvatures == Power(1).facts(((2,),)).curvatures == ()


@given(st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, 2.5, 17.0]), st.sampled_from([0.0, 1.0, 2.0]))
def test_curvatures_of_powers_are_right_at_zero(n, a):
    wanted = n * (n - 1) * a ** (n - 2) if n >= 2 else 0.0
    x, one = np.full(1, a), np.ones(1)
    found = Power(n).curvature((0, 0), one, x)
    assert_allclose(0.0 if found is None else found.todense(), wanted, rtol=1e-14)
    assert_allclose(Binary("power").curvature((0, 0), one, x, np.full(1, n)).todense(), wanted, rtol=1e-14)
    if n > 1:
        mixed = 0.0 if a == 0 else a ** (n - 1) * (1 + n * np.log(a))
        assert_allclose(Binary("power").curvature((0, 1), one, x, np.full(1, n)).todense(), mixed, rtol=1e-14)
    if n >= 1:
        twice = 0.0 if a == 0 else a**n * np.log(a) ** 2
        assert_allclose(Binary("power").curvature((1, 1), one, x, np.full(1, n)).todense(), twice, rtol=1e-14)


@pytest.mark.parametrize(("name", "wanted"), [("j0", -0.5), ("i0", 0.5), ("cosh", 1.0), ("hypot", 0.0)])
def test_curvatures_at_zero_are_finite(name, wanted):
    zero = np.zeros(1)
    if name in UNARY:
        assert UNARY[name].curvature((0, 0), [1.0], zero).todense() == wanted
    else:
        assert all(BINARY[name].curvature(pair, [1.0], zero, zero).todense() == 0 for pair in ((0, 0), (0, 1), (1, 1)))


def test_curvatures_of_large_numbers_do_not_overflow():
    top = np.array([1e3, 1e200])
    assert_array_equal(BINARY["logaddexp"].curvature((0, 1), [1.0, 1.0], top, -top).arrays[0], [0, 0])
    assert_array_equal(UNARY["arctan"].curvature((0, 0), [1.0, 1.0], [-1e150, 0.0]).arrays[0], [0, 0])
    assert_array_equal(UNARY["expit"].curvature((0, 0), [1.0, 1.0], top).arrays[0], [0, 0])
    assert_allclose(BINARY["hypot"].curvature((0, 0), [1.0], [3e200], [4e200]).arrays[0], [16 / 125e200])


def test_curvatures_have_the_best_structure():
    def structure(primitive, *shapes):
        return primitive.facts(shapes).curvatures[0].structure

    assert structure(MatMul(), (3,), (3,)) == Diagonal(3)
    assert structure(MatMul(), (2, 3), (3,)) == Kronecker(Dense(2, 1), Identity(3))
    assert structure(MatMul(), (3,), (3, 4)) == Kronecker(Identity(3), Dense(1, 4))
    assert structure(MatMul(), (2, 1), (1, 4)) == Dense(2, 4)
    assert structure(MatMul(), (5, 2, 1), (5, 1, 4)) == BlockDiagonal(5, 2, 4)
    assert structure(Softmax(), (3, 4)) == structure(Prod((1,)), (3, 4)) == BlockDiagonal(3, 4, 4)
    assert structure(Logsumexp((0,)), (3, 4)) == sparse_like(Kronecker(Dense(3, 3), Identity(4)))


def test_the_pattern_of_a_large_product_is_stated_without_being_written_out():
    (facts,) = MatMul().facts(((10**5, 10**5), (10**5, 10**5))).curvatures
    assert facts.structure.nonzeros == 10**15
    assert (facts.applies, facts.view, facts.scratch) == (True, False, 0)


@st.composite
def agreements(draw):
    sizes = tuple(draw(st.lists(st.integers(0, 3), min_size=1, max_size=4)))
    indices = list(range(len(sizes)))
    rows = draw(st.permutations(indices))[: draw(st.integers(0, len(sizes)))]
    shared = draw(st.lists(st.sampled_from(rows), unique=True)) if rows else []
    columns = draw(st.permutations([*(k for k in indices if k not in rows), *shared]))
    return sizes, tuple(rows), tuple(columns)


@given(agreements())
def test_patterns_of_indices_that_agree_are_those_of_an_einstein_sum(drawn):
    sizes, rows, columns = drawn
    structure = sparse_agreeing(sizes, rows, columns)
    numbers = np.arange(1.0, structure.nonzeros + 1)
    dense = np.zeros((structure.rows, structure.columns))
    shape = [[sizes[k] for k in side] for side in (rows, columns)]
    stored = [*rows, *(k for k in columns if k not in rows)]
    array = numbers.reshape([sizes[k] for k in stored])
    for place in np.ndindex(array.shape):
        index = dict(zip(stored, place, strict=True))
        row, column = (
            np.ravel_multi_index([index[k] for k in side], lengths) if side else 0
            for side, lengths in zip((rows, columns), shape, strict=True)
        )
        dense[row, column] = array[place]
    assert_array_equal(Matrix(structure, (numbers,)).todense(), dense)
    indptr, indices = csr_arrays(structure)
    assert (indptr.size, indptr[-1], indices.size) == (structure.rows + 1, structure.nonzeros, structure.nonzeros)


@given(st.lists(st.integers(-2, 2), min_size=2, max_size=5))
def test_curvatures_of_products_are_right_where_factors_are_zero(factors):
    x = np.array(factors, dtype=float)
    wanted = [[0.0 if a == b else np.prod(np.delete(x, [a, b])) for b in range(x.size)] for a in range(x.size)]
    assert_array_equal(Prod().curvature((0, 0), [1.0], x).todense(), wanted)


FAR = {  # far out: the first and second derivatives, by the leading terms of their series
    "log_ndtr": (-1e5, 1e5 + 1e-5, -1 + 1e-10),
    "erfcx": (1e5, -1e-10 / np.sqrt(np.pi), 2e-15 / np.sqrt(np.pi)),
    "dawsn": (-1e5, -0.5e-10, -1e-15),
}


@pytest.mark.parametrize("name", FAR)
def test_derivatives_far_out_lose_no_digits(name):
    x, first, second = FAR[name]
    function = UNARY[name]
    np.testing.assert_allclose(function.local(0, [x]).arrays[0], first, rtol=1e-9)
    np.testing.assert_allclose(function.curvature((0, 0), [1.0], [x]).arrays[0], second, rtol=1e-9)
    for edge in (50, 100, 300):  # the series and the formula meet
        sides = np.sign(x) * np.array([np.nextafter(edge, 0), np.nextafter(edge, 1e3)])
        for found in (function.local(0, sides), function.curvature((0, 0), np.ones(2), sides)):
            below, above = found.arrays[0]
            np.testing.assert_allclose(above, below, rtol=2e-8)
