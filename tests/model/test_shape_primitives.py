"""Primitives that multiply, move, join, accumulate, solve and convolve: against NumPy, complex steps and each other."""

from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import central_differences
from numpy.testing import assert_allclose, assert_array_equal

from jacchain.algebra.kernels import run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import (
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Sparse,
    array_shapes,
    csr_arrays,
    sparse,
)
from jacchain.errors import JacchainError, OptionError, SingularMatrixError, SizeError
from jacchain.execution.operation import VALUE, FreeOperation
from jacchain.model.primitive import Primitive
from jacchain.model.primitives.contraction import contracted, multiplied
from jacchain.model.primitives.convolution import Convolve
from jacchain.model.primitives.cumulative import Cumprod, Cumsum
from jacchain.model.primitives.matmul import MatMul
from jacchain.model.primitives.placement import Concatenate, Place, Stack, padding, put_at
from jacchain.model.primitives.reshape import Reshape, Transpose
from jacchain.model.primitives.selection import Gather, Index, rearranged, selection
from jacchain.model.primitives.solve import Determinant, Inv, Solve
from jacchain.model.primitives.sparse_product import SparseProduct

MODULES = ["matmul", "reshape", "selection", "placement", "cumulative", "solve", "convolution", "sparse_product"]
Shape = tuple[int, ...]


class Example(NamedTuple):
    """A primitive, the shapes of its inputs, and the same function in NumPy."""

    primitive: Primitive
    shapes: tuple[Shape, ...]
    oracle: Callable
    is_regular: bool = False
    """The first input is a matrix that has an inverse."""

    def point(self, seed=0, dtype=np.float64):
        rng = np.random.default_rng(seed)
        xs = [np.asarray(rng.normal(size=shape), dtype) for shape in self.shapes]
        if self.is_regular:
            xs[0] += 4 * np.eye(len(xs[0]), dtype=dtype)
        return tuple(xs)


PRODUCTS = [
    *(((2, 3), (3, 4)), ((1, 3), (3, 4)), ((2, 3), (3, 1)), ((2, 1), (1, 4)), ((1, 1), (1, 1)), ((1, 3), (3, 1))),
    *(((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((1,), (1, 2)), ((3,), (3, 1)), ((1, 3), (3,))),
    *(((5, 2, 3), (5, 3, 4)), ((5, 1, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 1)), ((5, 2, 1), (5, 1, 4))),
    *(((5, 1, 3), (5, 3, 1)), ((2, 5, 2, 3), (2, 5, 3, 2)), ((5, 1, 1), (5, 1, 1)), ((1, 2, 3), (1, 3, 4))),
    *(((5, 1, 1), (5, 1, 4)), ((5, 2, 1), (5, 1, 1)), ((1, 2, 3), (1, 3, 1)), ((1, 1, 3), (1, 3, 1))),
]
KEYS = [
    *(((4,), slice(1, 3)), ((4,), slice(None)), ((4,), slice(None, None, -2)), ((4,), 2), ((4,), -1), ((4,), None)),
    *(((3, 4), 1), ((3, 4), (slice(None), 2)), ((3, 4), (..., slice(3, 0, -1))), ((3, 4), (None, 1, ..., None))),
    *(((2, 3, 4), (1, slice(None), slice(0, 4, 2))), ((2, 1, 3), (slice(None), 0)), ((), ...), ((), None)),
    *(((4,), [0, 0, 3]), ((4,), np.array([[1, -1]])), ((4,), np.array([True, False, True, True]))),
    *(((3, 4), ([0, 2], slice(1, 3))), ((3, 4), ([0, 2], [1, 3])), ((3, 4), np.eye(3, 4, dtype=bool))),
    *(((3, 4), ([0, 1, 2],)), ((2, 3, 4), (slice(None), [[2], [0]], None, 1))),
]
REARRANGEMENTS = [
    ((2, 3), lambda x: np.flip(x, 1)),
    ((2, 3), lambda x: np.roll(x, 1, 0)),
    ((2, 3), lambda x: np.repeat(x, 2, 1)),
    ((2, 3), lambda x: np.tile(x, (2, 2))),
    ((3, 3), np.diagonal),
    ((3,), lambda x: x),
]
JOINED = [
    *(((2,), (3,)), ((2, 3), (1, 3), (2, 3)), ((4,),), ((1,), (1,), (1,)), ((2, 1, 2), (2, 1, 2))),
]


def product_examples():
    for shapes in PRODUCTS:
        yield Example(MatMul(), shapes, np.matmul)


def shape_examples():
    for shape, other in (((6,), (2, 3)), ((2, 3), (3, 2)), ((), (1, 1)), ((2, 1), (2,))):
        yield Example(Reshape(other), (shape,), lambda x, s=other: x.reshape(s))
    for shape, axes in (
        ((2, 3), (1, 0)),
        ((2, 3, 4), (2, 0, 1)),
        ((1, 3), (1, 0)),
        ((3,), (0,)),
        ((2, 1, 3), (1, 0, 2)),
    ):
        yield Example(Transpose(axes), (shape,), lambda x, a=axes: x.transpose(a))


def selection_examples():
    for shape, key in KEYS:
        yield Example(selection(key, shape), (shape,), lambda x, k=key: x[k])
    for shape, moved in REARRANGEMENTS:
        yield Example(rearranged(moved, shape), (shape,), moved)
    yield Example(Gather(np.arange(6, dtype="<i8").tobytes(), (3, 2)), ((2, 3),), lambda x: x.reshape(3, 2))


def placement_examples():
    for shape, widths in (((3,), [(1, 2)]), ((2, 3), [(0, 1), (2, 0)]), ((2,), [(0, 0)])):
        yield Example(padding(shape, widths), (shape,), lambda x, w=widths: np.pad(x, w))
    yield Example(put_at(lambda i: np.diagonal(i, 1), (4, 4)), ((3,),), lambda x: np.diag(x, 1))
    yield Example(put_at(lambda i: i[:, ::-1].T, (2, 3)), ((3, 2),), lambda x: x.T[:, ::-1])
    for shapes in JOINED:
        yield Example(Concatenate(0), shapes, lambda *xs: np.concatenate(xs))
    for axis, shapes in ((1, ((2, 1), (2, 3))), (1, ((2, 1, 3), (2, 2, 3))), (2, ((1, 2, 3), (1, 2, 1)))):
        yield Example(Concatenate(axis), shapes, lambda *xs, a=axis: np.concatenate(xs, a))
    for axis, shapes in ((0, ((),) * 3), (0, ((2,), (2,))), (1, ((2,), (2,))), (1, ((2, 3),) * 2), (0, ((3,),))):
        yield Example(Stack(axis), shapes, lambda *xs, a=axis: np.stack(xs, a))


def cumulative_examples():
    for shape, axis in (((4,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 3, 2), 1), ((1,), 0), ((3, 1), 1), ((2, 3, 1), 1)):
        yield Example(Cumsum(axis, shape), (shape,), lambda x, a=axis: np.cumsum(x, a))
    for shape in ((4,), (3, 4), (2, 2, 3), (1,), (3, 1)):
        yield Example(Cumprod(), (shape,), lambda x: np.cumprod(x, -1))


def solve_examples():
    for n, b in ((3, (3,)), (3, (3, 2)), (1, (1,)), (2, (2, 1)), (1, (1, 3))):
        yield Example(Solve(), ((n, n), b), np.linalg.solve, is_regular=True)
    for n in (1, 3):
        yield Example(Inv(), ((n, n),), np.linalg.inv, is_regular=True)
        yield Example(Determinant("value"), ((n, n),), np.linalg.det, is_regular=True)
        yield Example(Determinant("log"), ((n, n),), lambda a: np.linalg.slogdet(a)[1], is_regular=True)
        yield Example(Determinant("sign"), ((n, n),), lambda a: np.linalg.slogdet(a)[0], is_regular=True)


def rowwise(mode):
    return lambda a, v: np.apply_along_axis(np.convolve, -1, a, v, mode)


def convolution_examples():
    for mode in ("full", "same", "valid"):
        for n, m in ((5, 3), (3, 5), (4, 2), (2, 4), (4, 4), (1, 1), (5, 1), (1, 3)):
            yield Example(Convolve(mode, 1), ((n,), (m,)), lambda a, v, w=mode: np.convolve(a, v, w))
        for shape, m in (((2, 5), 3), ((2, 3), 4), ((2, 2, 4), 2), ((1, 4), 3), ((3, 1), 2)):
            yield Example(Convolve(mode, int(np.prod(shape[:-1]))), (shape, (m,)), rowwise(mode))


def sparse_examples():
    for rows, columns, indptr, indices in ((2, 3, [0, 1, 3], [2, 0, 1]), (3, 2, [0, 2, 2, 3], [0, 1, 0])):

        def product(numbers, x, shape=(rows, columns), ptr=tuple(indptr), index=tuple(indices)):
            made = np.zeros(shape, np.result_type(numbers, x))
            made[np.repeat(np.arange(shape[0]), np.diff(ptr)), list(index)] = numbers
            return made @ x

        structure = sparse(rows, columns, indptr, indices)
        yield Example(SparseProduct(structure), ((len(indices),), (columns,)), product)


EXAMPLES = [
    *product_examples(),
    *sparse_examples(),
    *shape_examples(),
    *selection_examples(),
    *placement_examples(),
    *cumulative_examples(),
    *solve_examples(),
    *convolution_examples(),
]
iterated = pytest.mark.parametrize(
    "example", EXAMPLES, ids=[f"{k}-{e.primitive.name}-{e.shapes}".replace(" ", "") for k, e in enumerate(EXAMPLES)]
)


def test_every_primitive_has_an_example():
    declared = set()
    for name in MODULES:
        module = import_module(f"jacchain.model.primitives.{name}")
        declared |= {c for c in vars(module).values() if isinstance(c, type) and issubclass(c, Primitive)}
    assert {type(e.primitive) for e in EXAMPLES} == declared - {Primitive}


@iterated
def test_values_are_numpys(example):
    xs = example.point()
    assert_allclose(example.primitive.value(*xs), example.oracle(*xs), rtol=1e-12, atol=1e-14)


ANALYTIC = [e for e in EXAMPLES if e.primitive not in (Determinant("log"), Determinant("sign"))]


@pytest.mark.parametrize("example", ANALYTIC, ids=lambda e: f"{e.primitive.name}-{e.shapes}".replace(" ", ""))
def test_local_jacobians_are_complex_steps_to_rounding(example):
    xs = example.point(1)
    for k, x in enumerate(xs):
        found = example.primitive.local(k, *xs).todense()
        for place in range(x.size):
            moved = x.astype(complex)
            moved.reshape(-1)[place] += 1e-30j
            column = np.ravel(example.oracle(*xs[:k], moved, *xs[k + 1 :])).imag / 1e-30
            assert_allclose(found[:, place], column, rtol=1e-9, atol=1e-12)


@iterated
def test_local_jacobians_are_central_differences(example):
    xs = example.point(2)
    for k, x in enumerate(xs):
        wanted = central_differences(lambda moved, k=k: example.oracle(*xs[:k], moved, *xs[k + 1 :]), x)
        found = example.primitive.local(k, *xs)
        assert_allclose(np.zeros_like(wanted) if found is None else found.todense(), wanted, rtol=1e-6, atol=1e-7)


@iterated
def test_float32_stays_float32_and_agrees(example):
    xs = example.point(3, np.float32)
    exact = tuple(x.astype(float) for x in xs)
    assert example.primitive.value(*xs).dtype == np.float32
    assert_allclose(example.primitive.value(*xs), example.primitive.value(*exact), rtol=1e-3, atol=1e-4)
    for k, facts in enumerate(example.primitive.facts(example.shapes).locals):
        if facts is not None:
            found, wanted = example.primitive.local(k, *xs), example.primitive.local(k, *exact)
            assert all(array.dtype == np.float32 for array in found.arrays)
            for one, other in zip(found.arrays, wanted.arrays, strict=True):
                assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def strided(x, way):
    """The same numbers with other strides."""
    if way == 0:
        view = np.full([2 * size for size in x.shape], np.nan)[(..., *(slice(None, None, 2) for _ in x.shape))]
    else:
        view = np.full(x.shape[::-1], np.nan).T[(..., *(slice(None, None, -1) for _ in x.shape))]
    view[...] = x
    return view


@iterated
@pytest.mark.parametrize("way", [0, 1, 2])
def test_inputs_may_have_any_strides(example, way):
    xs = example.point(4)
    if way == 2 and not example.is_regular:
        views = tuple(np.broadcast_to(x.reshape(-1)[0], x.shape) for x in xs)
        xs = tuple(view.copy() for view in views)
    else:
        views = tuple(strided(x, (k + way) % 2) for k, x in enumerate(xs))
    assert_allclose(example.primitive.value(*views), example.primitive.value(*xs), rtol=1e-12, atol=1e-14)
    for k, facts in enumerate(example.primitive.facts(example.shapes).locals):
        if facts is not None:
            found, wanted = example.primitive.local(k, *views), example.primitive.local(k, *xs)
            for one, other in zip(found.arrays, wanted.arrays, strict=True):
                assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@iterated
def test_calls_see_the_numbers_of_the_moment(example):
    facts = example.primitive.facts(example.shapes)
    for bound in (tuple(map(np.copy, example.point(5))), tuple(strided(x, 1) for x in example.point(5))):
        y, scratch = np.full(facts.output, np.nan), np.full(facts.scratch, np.nan)
        calls = example.primitive.value_calls(NUMPY, bound, y, scratch)
        run(calls)
        for x, new in zip(bound, example.point(6), strict=True):
            x[...] = new
        run(calls)
        assert_allclose(y, example.primitive.value(*example.point(6)), rtol=1e-12, atol=1e-14)


@iterated
def test_local_calls_see_the_numbers_of_the_moment(example):
    facts = example.primitive.facts(example.shapes)
    for k, local in enumerate(facts.locals):
        if local is None or not array_shapes(local.link.local):
            continue
        for bound in (tuple(map(np.copy, example.point(5))), tuple(strided(x, 1) for x in example.point(5))):
            given = tuple(x if i in local.reads else None for i, x in enumerate(bound))
            y = np.array(example.primitive.value(*bound)) if VALUE in local.reads else None
            out = Operand(local.link.local, tuple(np.full(s, np.nan) for s in array_shapes(local.link.local)))
            calls = example.primitive.local_calls(NUMPY, k, given, y, out, np.full(local.scratch, np.nan))
            run(calls)
            for x, new in zip(bound, example.point(6), strict=True):
                x[...] = new
            if y is not None:
                y[...] = example.primitive.value(*bound)
            run(calls)
            for one, other in zip(out.arrays, example.primitive.local(k, *bound).arrays, strict=True):
                assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@iterated
def test_values_seen_otherwise_are_views_of_the_input(example):
    facts = example.primitive.facts(example.shapes)
    for x in (example.point(7)[0], strided(example.point(7)[0], 1)):
        if facts.view == "strided" or (facts.view == "reshape" and x.flags.c_contiguous):
            view = example.primitive.value_view(x)
            assert np.shares_memory(view, x)
            assert_array_equal(view, example.oracle(x))
    if facts.view == "reshape":
        assert facts.locals[0].link.local == Identity(x.size)


@iterated
def test_views_of_local_jacobians_are_what_would_be_copied(example):
    for way in (None, 0, 1):
        xs = example.point(8) if way is None else tuple(strided(x, way) for x in example.point(8))
        for k, facts in enumerate(example.primitive.facts(example.shapes).locals):
            if facts is None or not facts.view or (facts.view == "contiguous" and way is not None):
                continue
            (read,) = facts.reads
            views = example.primitive.local_views(k, tuple(x if i == read else None for i, x in enumerate(xs)), None)
            assert tuple(view.shape for view in views) == array_shapes(facts.link.local)
            for view, copy in zip(views, example.primitive.local(k, *xs).arrays, strict=True):
                assert np.shares_memory(view, xs[read])
                assert facts.view == "any" or view.flags.c_contiguous
                assert_array_equal(view, copy)


@iterated
def test_tangents_and_adjoints_are_products_with_the_local_jacobian(example):
    xs = example.point(9)
    for k, facts in enumerate(example.primitive.facts(example.shapes).locals):
        if facts is None or facts.link.tangent_cost is None:
            continue
        assert isinstance(example.primitive, FreeOperation)
        given = tuple(x if i in facts.reads else None for i, x in enumerate(xs))
        local = example.primitive.local(k, *xs).todense()
        v, u = np.random.default_rng(0).normal(size=(local.shape[1], 3)), np.eye(local.shape[0])[:2]
        for seed in (v, strided(v, 1), v[:, :1], np.eye(len(v))):
            out = np.full((local.shape[0], seed.shape[1]), np.nan)
            run(example.primitive.tangent_calls(NUMPY, k, given, seed, out))
            assert_allclose(out, local @ seed, rtol=1e-10, atol=1e-12)
        for seed in (u, strided(u, 0), np.eye(local.shape[0])):
            out = np.full((seed.shape[0], local.shape[1]), np.nan)
            run(example.primitive.adjoint_calls(NUMPY, k, given, seed, out))
            assert_allclose(out, seed @ local, rtol=1e-10, atol=1e-12)


@iterated
def test_equal_primitives_are_equal_and_hash_alike(example):
    again = eval(repr(example.primitive), dict(vars(import_module(type(example.primitive).__module__))))
    assert again == example.primitive
    assert hash(again) == hash(example.primitive)


@iterated
def test_a_wrong_number_of_inputs_is_refused_by_name(example):
    with pytest.raises(SizeError, match=f"{example.primitive.name}.* of shapes"):
        example.primitive.facts((*example.shapes, (2, 7, 1, 1, 1)))


def structures(primitive, *shapes):
    return [local.link.local for local in primitive.facts(shapes).locals]


def test_matrix_products_have_the_structure_of_their_kind():
    assert structures(MatMul(), (2, 3), (3, 4)) == [
        Kronecker(Identity(2), Dense(4, 3)),
        Kronecker(Dense(2, 3), Identity(4)),
    ]
    assert structures(MatMul(), (2, 3), (3,)) == [Kronecker(Identity(2), Dense(1, 3)), Dense(2, 3)]
    assert structures(MatMul(), (3,), (3, 4)) == [Dense(4, 3), Kronecker(Dense(1, 3), Identity(4))]
    assert structures(MatMul(), (5, 2, 3), (5, 3, 1)) == [BlockDiagonal(10, 1, 3), BlockDiagonal(5, 2, 3)]
    assert structures(MatMul(), (5, 1, 1), (5, 1, 1)) == [Diagonal(5), Diagonal(5)]
    blocks, pattern = structures(MatMul(), (5, 2, 3), (5, 3, 4))
    assert blocks == BlockDiagonal(10, 4, 3)
    assert isinstance(pattern, Sparse)
    assert pattern.nonzeros == 5 * 2 * 3 * 4
    assert [facts.view for facts in MatMul().facts(((2, 3), (3, 4))).locals] == ["any", "any"]
    assert [facts.view for facts in MatMul().facts(((3,), (3, 4))).locals] == ["", "any"]
    assert [facts.view for facts in MatMul().facts(((3,), (3,))).locals] == ["contiguous", "contiguous"]


def test_what_only_moves_numbers_is_constant_and_as_sparse_as_can_be():
    for example in EXAMPLES:
        if isinstance(example.primitive, Reshape | Transpose | Index | Gather | Place | Concatenate | Stack):
            for facts in example.primitive.facts(example.shapes).locals:
                structure = facts.link.local
                assert facts.reads == ()
                assert isinstance(structure, Identity) or structure.nonzeros <= max(structure.rows, structure.columns)


@iterated
def test_patterns_are_valid_by_their_making(example):
    for facts in example.primitive.facts(example.shapes).locals:
        if facts is not None and isinstance(facts.link.local, Sparse):
            found = facts.link.local
            assert sparse(found.rows, found.columns, *csr_arrays(found)) == found


def test_solutions_keep_the_columns_apart():
    assert structures(Solve(), (3, 3), (3, 2)) == [
        Kronecker(Dense(3, 3), Dense(2, 3)),
        Kronecker(Dense(3, 3), Identity(2)),
    ]
    assert structures(Solve(), (3, 3), (3,)) == [Kronecker(Dense(3, 3), Dense(1, 3)), Dense(3, 3)]


def test_sums_so_far_are_never_formed_unless_asked():
    link = Cumsum(0, (10**6,)).facts(((10**6,),)).locals[0].link
    assert (link.tangent_cost, link.adjoint_cost) == (10**6, 10**6)
    assert structures(Cumsum(0, (3, 4)), (3, 4)) == [Kronecker(Dense(3, 3), Identity(4))]
    assert structures(Cumsum(1, (3, 4)), (3, 4)) == [Kronecker(Identity(3), Dense(4, 4))]
    assert not Cumsum(1, (2, 3, 4)).facts(((2, 3, 4),)).locals[0].link.is_explicit


def test_products_so_far_of_many_numbers_are_applied_without_their_triangle():
    x = 1 - 1e-4 * np.random.default_rng(1).random(10**5)
    x[[500, 90_000]] = 1e-3, 0.0
    primitive, u, v = Cumprod(), np.ones((1, x.size)), np.ones((x.size, 1))
    link = primitive.facts((x.shape,)).locals[0].link
    assert link.tangent_cost == link.adjoint_cost < 5 * x.size
    out, tangent = np.empty_like(u), np.empty_like(v)
    run(primitive.adjoint_calls(NUMPY, 0, (x, None), u, out))
    run(primitive.tangent_calls(NUMPY, 0, (x, None), v, tangent))
    before = np.concatenate([[1.0], np.cumprod(x)[:-1]])
    s, t, adjoint, image = 0.0, 0.0, [], []
    for k in range(x.size):
        s = 1.0 + (x[-k] * s if k else 0.0)
        adjoint.append(before[-1 - k] * s)
        t = x[k] * t + before[k]
        image.append(t)
    assert_allclose(out[0], adjoint[::-1], rtol=1e-11)
    assert_allclose(tangent[:, 0], image, rtol=1e-11)


def test_the_cost_of_products_so_far_is_what_their_recurrences_take():
    class Counting:
        def __init__(self):
            self.count = 0

        def __getattr__(self, name):
            return getattr(np, name)

        def multiply(self, a, b, *out):
            found = np.multiply(a, b, *out)
            self.count += found.size
            return found

        def cumprod(self, a, axis):
            self.count += a.size - 1
            return np.cumprod(a, axis)

    for n in (2, 3, 4, 5, 7, 8, 100, 1000):
        kernels = SimpleNamespace(xp=Counting(), copyto=np.copyto)
        run(Cumprod().adjoint_calls(kernels, 0, (np.ones(n), None), np.ones((1, n)), np.empty((1, n))))
        assert kernels.xp.count == Cumprod().facts(((n,),)).locals[0].link.adjoint_cost


@given(st.lists(st.sampled_from([0.0, 1.0, -0.5, 2.0]), min_size=1, max_size=20), st.integers(1, 3))
def test_products_so_far_are_applied_exactly_where_factors_are_zero(factors, count):
    x, rng = np.array(factors), np.random.default_rng(len(factors))
    primitive, local = Cumprod(), Cumprod().local(0, x).todense()
    u, v = rng.integers(-4, 5, (count, x.size)) * 1.0, rng.integers(-4, 5, (x.size, count)) * 1.0
    if x.size > 1:
        out = np.full_like(u, np.nan)
        run(primitive.adjoint_calls(NUMPY, 0, (x, None), u, out))
        assert_array_equal(out, u @ local)
        out = np.full_like(v, np.nan)
        run(primitive.tangent_calls(NUMPY, 0, (x, None), v, out))
        assert_array_equal(out, local @ v)


def apply(operation, *xs):
    assert operation.facts(tuple(np.shape(x) for x in xs)).locals
    return operation.value(*xs)


sizes = st.integers(1, 3)


@st.composite
def stacks(draw):
    """Two shapes that numpy.matmul takes."""
    m, k, n = draw(sizes), draw(sizes), draw(sizes)
    batch = draw(st.lists(sizes, max_size=2))
    lefts, rights = (
        tuple(draw(st.sampled_from([1, size])) for size in batch[draw(st.integers(0, len(batch))) :]) for _ in "lr"
    )
    left = (k,) if draw(st.booleans()) and not lefts else (*lefts, m, k)
    right = (k,) if draw(st.booleans()) and not rights else (*rights, k, n)
    return left, right


@given(stacks())
def test_products_of_any_stacks_are_numpys(shapes):
    rng = np.random.default_rng(0)
    left, right = (rng.normal(size=shape) for shape in shapes)
    found, wanted = multiplied(apply, left, right), np.matmul(left, right)
    assert found.shape == wanted.shape
    assert_allclose(found, wanted, rtol=1e-13, atol=1e-14)


@st.composite
def sums(draw):
    """Subscripts of an Einstein sum of one to three operands, and the shapes."""
    lengths = dict(zip("ijklm", (2, 3, 1, 4, 2), strict=True))
    terms = draw(st.lists(st.text("ijklm", max_size=4), min_size=1, max_size=3))
    value = draw(st.permutations(sorted(set("".join(terms)))))
    arrow = "->" + "".join(value[: draw(st.integers(0, len(value)))]) if draw(st.booleans()) else ""
    return ",".join(terms) + arrow, [tuple(lengths[letter] for letter in term) for term in terms]


@given(sums())
def test_einstein_sums_are_numpys(example):
    subscripts, shapes = example
    rng = np.random.default_rng(0)
    operands = [rng.normal(size=shape) for shape in shapes]
    found, wanted = contracted(apply, subscripts, operands), np.einsum(subscripts, *operands)
    assert np.shape(found) == wanted.shape
    assert_allclose(found, wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("...ij,...jk->...ik", [(5, 2, 3), (5, 3, 4)]),
        ("...ij,jk", [(5, 2, 3), (3, 4)]),
        ("i...,i->...", [(3, 2, 4), (3,)]),
        ("...,...->...", [(2, 3), (3,)]),
        ("...ii->...i", [(2, 3, 3)]),
        (" i j , j k -> i k ", [(2, 3), (3, 4)]),
        ("...ij,...jk->...ik", [(1, 2, 3), (5, 3, 4)]),
        ("ba", [(2, 3)]),
        ("ij,jk", [(2, 1), (3, 4)]),
        ("ii,i->i", [(3, 3), (1,)]),
    ],
)
def test_einstein_sums_take_ellipses_and_blanks(subscripts, shapes):
    rng = np.random.default_rng(0)
    operands = [rng.normal(size=shape) for shape in shapes]
    assert_allclose(contracted(apply, subscripts, operands), np.einsum(subscripts, *operands), rtol=1e-12)


spans = st.slices(4) | st.integers(-4, 3) | st.none() | st.just(slice(None))


@given(st.lists(spans, max_size=4), st.none() | st.integers(0, 4))
def test_any_key_selects_what_numpy_does_and_equal_ones_are_one_primitive(items, dots):
    key = tuple(items if dots is None else [*items[:dots], ..., *items[dots:]])
    x = np.random.default_rng(0).normal(size=(4, 4, 4))
    if sum(item is not None and item is not ... for item in key) > 3:
        with pytest.raises(IndexError):
            selection(key, x.shape)
        return
    if x[key].size == 0:
        with pytest.raises(SizeError, match="nothing is taken"):
            selection(key, x.shape)
        return
    found = selection(key, x.shape)
    assert_array_equal(found.value(x), x[key])
    assert np.shares_memory(found.value_view(x), x)
    if ... not in key:
        assert selection((*key, ...), x.shape) == found


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=6))
def test_derivatives_of_products_so_far_are_right_where_factors_are_zero(factors):
    x, n = np.array(factors, dtype=float), len(factors)
    wanted = [[np.prod(np.delete(x[: i + 1], j)) if j <= i else 0 for j in range(n)] for i in range(n)]
    assert_array_equal(Cumprod().local(0, x).todense(), wanted)


@pytest.mark.parametrize("primitive", [Inv(), Determinant("value"), Determinant("log")], ids=lambda p: p.name)
def test_a_matrix_without_inverse_is_refused_by_name(primitive):
    singular = np.ones((2, 2))
    with pytest.raises(SingularMatrixError, match=f"{primitive.name} of a 2x2 matrix that has no inverse\nchange"):
        primitive.local(0, singular)
    for k in (0, 1):
        with pytest.raises(SingularMatrixError, match="solve of a 2x2 matrix"):
            Solve().local(k, singular, np.ones(2))


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: MatMul().facts(((2, 3), (4, 5))), SizeError, r"matmul of shapes \(2, 3\) and \(4, 5\)\n3 columns"),
        (lambda: MatMul().facts(((), (3,))), SizeError, "multiply by a scalar"),
        (lambda: MatMul().facts(((2, 2, 3), (3, 4))), SizeError, "broadcast both"),
        (lambda: multiplied(apply, np.ones((2, 3)), np.ones((5, 4, 3))), SizeError, r"matmul of .*\(5, 4, 3\)"),
        (lambda: multiplied(apply, np.ones((2, 3, 4)), np.ones((5, 4, 3))), SizeError, "make the stacks' sizes"),
        (lambda: Reshape((4,)).facts(((3,),)), SizeError, r"reshape to \(4,\) of shapes \(3,\)"),
        (lambda: Transpose((0, 0)).facts(((3, 2),)), SizeError, "name each of the 2 axes once"),
        (lambda: selection(7, (3,)), IndexError, "out of bounds"),
        (lambda: selection([7], (3,)), IndexError, "out of bounds"),
        (lambda: selection(slice(2, 2), (3,)), SizeError, "nothing is taken"),
        (lambda: selection(np.zeros(3, bool), (3,)), SizeError, "nothing is taken"),
        (lambda: selection(2, (3,)).facts(((2,),)), SizeError, "take places that the array has"),
        (lambda: selection([2], (3,)).facts(((2,),)), SizeError, "take places 0 to 1"),
        (lambda: put_at(lambda i: i[[0, 0]], (3,)).facts(((2,),)), SizeError, "give different places"),
        (lambda: padding((3,), [(1, 1)]).facts(((2,),)), SizeError, "give 3 numbers"),
        (lambda: Concatenate(0).facts(((2, 3), (2, 4))), SizeError, "except along axis 0"),
        (lambda: Concatenate(1).facts(((2,), (2,))), SizeError, "that have an axis 1"),
        (lambda: Stack(0).facts(((2,), (3,))), SizeError, "make the shapes equal"),
        (lambda: Cumsum(1, (3,)).facts(((3,),)), SizeError, "an axis 1"),
        (lambda: Cumprod().facts(((),)), SizeError, "at least one axis"),
        (lambda: Solve().facts(((2, 3), (2,))), SizeError, "give a square matrix"),
        (lambda: Inv().facts(((2, 3),)), SizeError, "inv of shapes"),
        (lambda: Determinant("log").facts(((2,),)), SizeError, "logdet of shapes"),
        (lambda: Convolve("half", 1), OptionError, "unknown mode 'half'"),
        (lambda: Convolve("full", 2).facts(((3, 4), (2,))), SizeError, "an array of 2 rows"),
        (lambda: contracted(apply, "ij,jk", [np.ones((2, 2))]), OptionError, "2 terms for 1 operands"),
        (lambda: contracted(apply, "ij", [np.ones(2)]), SizeError, "one letter per axis"),
        (lambda: contracted(apply, "ij,jk", [np.ones((2, 3)), np.ones((2, 3))]), SizeError, "axis j has 3 and 2"),
        (lambda: contracted(apply, "ii", [np.ones((2, 3))]), SizeError, "axis i has 2 and 3"),
        (lambda: contracted(apply, "i->ii", [np.ones(2)]), OptionError, "is not understood"),
        (lambda: contracted(apply, "i?->i", [np.ones((2, 2))]), OptionError, "is not understood"),
        (lambda: contracted(apply, [0, 1], [np.ones((2, 2))]), OptionError, "give subscripts as text"),
    ],
)
def test_wrong_shapes_and_options_are_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()
    assert issubclass(error, JacchainError | IndexError)
