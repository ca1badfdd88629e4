"""Elementwise primitives, broadcasting and reductions: against NumPy, complex steps and central differences."""

import math
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import numpy as np
import pytest
import scipy.special
from hypothesis import example, given
from hypothesis import strategies as st

import jacchain.model.primitives
from jacchain.algebra.kernels import run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import (
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Negation,
    Sparse,
    array_shapes,
    sparse_like,
)
from jacchain.errors import JacchainError, OptionError, SizeError
from jacchain.execution.operation import VALUE
from jacchain.model.primitive import Primitive
from jacchain.model.primitives.binary import BINARY, Binary, Extremum, Where
from jacchain.model.primitives.broadcast import Broadcast
from jacchain.model.primitives.elementwise import ElementwisePrimitive
from jacchain.model.primitives.formula import LARGE_CHOICE, formula_calls, python_source, steps_of
from jacchain.model.primitives.ordered import Ordered
from jacchain.model.primitives.reduction import Max, Mean, Min, Prod, Sum
from jacchain.model.primitives.softmax import LogSoftmax, Logsumexp, Softmax
from jacchain.model.primitives.unary import UNARY, Absolute, Power, Unary

Shape = tuple[int, ...]
Domain = tuple[float, float]


class Example(NamedTuple):
    """A primitive, the shapes and domains of its inputs, and the same function in NumPy or SciPy."""

    primitive: Primitive
    shapes: tuple[Shape, ...]
    oracle: Callable
    domains: tuple[Domain, ...]
    is_mask: bool = False
    """The first input is a mask of 0 and 1."""

    def point(self, seed=0, dtype=np.float64):
        rng = np.random.default_rng(seed)
        xs = [rng.uniform(*domain, shape) for shape, domain in zip(self.shapes, self.domains, strict=True)]
        if self.is_mask:
            xs[0] = (xs[0] > 0) * 1.0
        return tuple(np.asarray(x, dtype) for x in xs)


def names(words):
    return frozenset(words.split())


REAL = (-1.9, 1.9)
POSITIVE = (0.2, 3.0)
DOMAINS: dict[str, Domain] = {
    **dict.fromkeys(names("sqrt cbrt log log2 log10 gamma gammaln psi entr exp1 expi reciprocal"), POSITIVE),
    **dict.fromkeys(names("arcsin arccos arctanh erfinv log1p"), (-0.9, 0.9)),
    **dict.fromkeys(names("logit ndtri"), (0.1, 0.9)),
    "erfcinv": (0.2, 1.8),
    "arccosh": (1.2, 3.0),
    "tan": (-1.2, 1.2),
}
PAIRS: dict[str, tuple[Domain, Domain]] = {
    **dict.fromkeys(names("power float_power rel_entr kl_div betaln"), (POSITIVE, POSITIVE)),
    **dict.fromkeys(names("divide fmod remainder floor_divide xlogy xlog1py"), (REAL, (0.5, 3.0))),
    "heaviside": (REAL, REAL),
}
ANALYTIC = names(
    "positive negative square reciprocal sqrt exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan "
    "sinh cosh tanh arcsinh arccosh arctanh erf erfc erfcx ndtr log_ndtr gamma psi dawsn exp1 "
    "add subtract multiply divide power xlogy xlog1py sum mean prod where broadcast"
)


def oracle(name):
    return getattr(np, name, None) or getattr(scipy.special, name)


def elementwise_examples():
    for k, (name, primitive) in enumerate(UNARY.items()):
        yield Example(primitive, (((4,), (2, 3), ())[k % 3],), oracle(name), (DOMAINS.get(name, REAL),))
    for k, (name, primitive) in enumerate(BINARY.items()):
        yield Example(primitive, (((3,), (2, 2), ())[k % 3],) * 2, oracle(name), PAIRS.get(name, (REAL, REAL)))
    for n in (-17.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 6.0, 7.0, 16.0, 17.0, 2.5):
        yield Example(Power(n), ((2, 2),), lambda x, n=n: x**n, (POSITIVE,))
    for name in ("jv", "iv", "zeta"):
        for n in (1.0, 2.0, 3.0):
            if name != "zeta" or n > 1:
                function = oracle(name)
                yield Example(Ordered(name, n), ((4,),), lambda x, f=function, n=n: f(n, x), (POSITIVE,))
    for share in (0.0, 0.25, 1.0):
        yield Example(Absolute(at_zero=share), ((3,),), np.abs, (REAL,))
        for name in ("maximum", "minimum", "fmax", "fmin"):
            yield Example(Extremum(name, at_tie=share), ((3,), (3,)), oracle(name), (REAL, REAL))
    yield Example(Where(), ((2, 3),) * 3, lambda m, a, b: np.where(m != 0, a, b), (REAL,) * 3, is_mask=True)
    yield Example(Where(), ((),) * 3, lambda m, a, b: np.where(m != 0, a, b), (REAL,) * 3, is_mask=True)


def along(axes, keepdims):
    return {"axis": axes, "keepdims": keepdims}


AXES = [
    *(((3, 4), axes, keepdims) for axes in (None, (0,), (-1,), (0, 1), ()) for keepdims in (False, True)),
    *(((2, 3, 4), axes, False) for axes in ((1,), (0, 2), (2, 0), (1, 2), (0, 1))),
    ((5,), (0,), False),
    ((), None, False),
    ((1, 4, 1), (0, 2), False),
    ((2, 1, 3), (0, 1), True),
]


def reduction_examples():
    for shape, axes, keepdims in AXES:
        where = along(axes, keepdims)
        yield Example(Sum(axes, keepdims), (shape,), lambda x, w=where: np.sum(x, **w), (REAL,))
        yield Example(Mean(axes, keepdims), (shape,), lambda x, w=where: np.mean(x, **w), (REAL,))
        yield Example(Prod(axes, keepdims), (shape,), lambda x, w=where: np.prod(x, **w), (REAL,))
        yield Example(Max(axes, keepdims), (shape,), lambda x, w=where: np.max(x, **w), (REAL,))
        yield Example(Min(axes, keepdims, "first"), (shape,), lambda x, w=where: np.min(x, **w), (REAL,))
        if axes != ():
            sums = lambda x, w=where: scipy.special.logsumexp(x, **w)  # noqa: E731  (one name for a long line)
            yield Example(Logsumexp(axes, keepdims), (shape,), sums, (REAL,))
    for shape, axis in (((4,), -1), ((3, 4), -1), ((3, 4), 0), ((2, 3, 4), 1), ((2, 3, 4), -1), ((3, 1), 1)):
        yield Example(Softmax(axis), (shape,), lambda x, a=axis: scipy.special.softmax(x, axis=a), (REAL,))
        yield Example(LogSoftmax(axis), (shape,), lambda x, a=axis: scipy.special.log_softmax(x, axis=a), (REAL,))


SHAPES = [
    *(((), (2, 3)), ((3,), (2, 3)), ((2, 1), (2, 3)), ((1, 3), (4, 3)), ((2, 1, 3), (2, 4, 3)), ((1,), (5,))),
    *(((2, 3), (2, 3)), ((3,), (1, 3)), ((1, 3, 1), (2, 3, 4)), ((), ()), ((4, 1), (2, 4, 3)), ((2, 1, 1), (2, 1, 3))),
]


def broadcast_examples():
    for shape, wide in SHAPES:
        yield Example(Broadcast(wide), (shape,), lambda x, w=wide: np.broadcast_to(x, w), (REAL,))


EXAMPLES = [*elementwise_examples(), *reduction_examples(), *broadcast_examples()]
iterated = pytest.mark.parametrize(
    "example", EXAMPLES, ids=[f"{e.primitive!r}-{e.shapes}".replace(" ", "") for e in EXAMPLES]
)


def numbers(example, xs):
    """The local Jacobians by central differences of the oracle."""
    found = []
    for k, x in enumerate(xs):
        columns = []
        for place in range(x.size):
            sides = []
            for sign in (1, -1):
                moved = x.copy()
                moved.reshape(-1)[place] += sign * 1e-5
                sides.append(np.ravel(example.oracle(*xs[:k], moved, *xs[k + 1 :])).astype(float))
            columns.append((sides[0] - sides[1]) / 2e-5)
        found.append(np.stack(columns, axis=1))
    return found


def prepared(primitive, k, xs, y=None):
    """What a local Jacobian is given, only what it says that it reads, and what it is written to."""
    facts = primitive.facts(tuple(x.shape for x in xs)).locals[k]
    given = tuple(x if i in facts.reads else None for i, x in enumerate(xs))
    out = Operand(facts.link.local, tuple(np.empty(s, xs[k].dtype) for s in array_shapes(facts.link.local)))
    return given, (primitive.value(*xs) if VALUE in facts.reads else None), out


@iterated
def test_values_are_numpys(example):
    xs = example.point()
    np.testing.assert_allclose(example.primitive.value(*xs), example.oracle(*xs), rtol=1e-13, atol=1e-15)


@iterated
def test_local_jacobians_are_central_differences(example):
    xs = example.point(1)
    for k, wanted in enumerate(numbers(example, xs)):
        if example.is_mask and k == 0:
            assert example.primitive.local(k, *xs) is None
            continue
        found = example.primitive.local(k, *xs)
        dense = np.zeros_like(wanted) if found is None else found.todense()
        np.testing.assert_allclose(dense, wanted, rtol=1e-7, atol=1e-8 * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if e.primitive.name.split()[0] in ANALYTIC], ids=lambda e: repr(e.primitive)
)
def test_local_jacobians_are_complex_steps_to_rounding(example):
    xs = example.point(2)
    for k, x in enumerate(xs):
        found = example.primitive.local(k, *xs)
        if found is None:
            continue
        for place in range(x.size):
            moved = x.astype(complex)
            moved.reshape(-1)[place] += 1e-30j
            column = np.ravel(example.oracle(*xs[:k], moved, *xs[k + 1 :])).imag / 1e-30
            np.testing.assert_allclose(found.todense()[:, place], column, rtol=1e-12, atol=1e-13)


@iterated
def test_float32_stays_float32_and_agrees(example):
    xs = example.point(3, np.float32)
    exact = tuple(x.astype(float) for x in xs)
    value = example.primitive.value(*xs)
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, example.primitive.value(*exact), rtol=1e-4, atol=1e-5)
    for k, facts in enumerate(example.primitive.facts(example.shapes).locals):
        if facts is not None:
            found, wanted = example.primitive.local(k, *xs), example.primitive.local(k, *exact)
            assert all(array.dtype == np.float32 for array in found.arrays)
            for one, other in zip(found.arrays, wanted.arrays, strict=True):
                np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-4)


def assert_alike(primitive, xs, others):
    """Compare the value and the local Jacobians; loops over other strides may round the last digit otherwise."""
    np.testing.assert_allclose(primitive.value(*xs), primitive.value(*others), rtol=1e-14, atol=1e-15)
    for k, facts in enumerate(primitive.facts(tuple(x.shape for x in xs)).locals):
        if facts is not None:
            for one, other in zip(primitive.local(k, *xs).arrays, primitive.local(k, *others).arrays, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-15)


def strided(x, k):
    """The same numbers with other strides."""
    if k % 2 == 0:
        held = np.full(tuple(2 * size for size in x.shape), np.nan)
        view = held[(..., *(slice(None, None, 2) for _ in x.shape))]
    else:
        view = np.full(x.shape[::-1], np.nan).T[(..., *(slice(None, None, -1) for _ in x.shape))]
    view[...] = x
    return view


@iterated
@pytest.mark.parametrize("way", [0, 1])
def test_inputs_may_have_any_strides(example, way):
    xs = example.point(4)
    views = tuple(strided(x, k + way) for k, x in enumerate(xs))
    assert_alike(example.primitive, views, xs)


@iterated
def test_inputs_may_be_repeated_numbers(example):
    flat = tuple(np.broadcast_to(x.reshape(-1)[0], x.shape) for x in example.point(5))
    full = tuple(x.copy() for x in flat)
    assert_alike(example.primitive, flat, full)


@iterated
def test_views_of_local_jacobians_are_what_would_be_copied(example):
    xs = example.point(6)
    for k, facts in enumerate(example.primitive.facts(example.shapes).locals):
        if facts is not None and facts.view:
            given, y, _ = prepared(example.primitive, k, xs)
            views = example.primitive.local_views(k, given, y)
            for view, copy in zip(views, example.primitive.local(k, *xs).arrays, strict=True):
                assert any(np.shares_memory(view, read) for read in (*given, y) if read is not None)
                np.testing.assert_array_equal(view, copy)


@iterated
def test_values_may_be_written_where_the_facts_say(example):
    xs = example.point(7)
    facts = example.primitive.facts(example.shapes)
    for k in facts.in_place:
        taken = tuple(x.copy() for x in xs)
        run(example.primitive.value_calls(NUMPY, taken, taken[k], np.full(facts.scratch, np.nan)))
        np.testing.assert_array_equal(taken[k], example.primitive.value(*xs))


@iterated
def test_local_jacobians_may_be_written_where_the_facts_say(example):
    xs = example.point(8)
    for k, facts in enumerate(example.primitive.facts(example.shapes).locals):
        for place in facts.in_place if facts is not None else ():
            given, y, out = prepared(example.primitive, k, xs)
            taken = [x if x is None else x.copy() for x in given]
            over = (y if place == VALUE else taken[place]).reshape(-1)
            made = Operand(out.structure, (over,))
            run(example.primitive.local_calls(NUMPY, k, tuple(taken), y, made, np.full(facts.scratch, np.nan)))
            np.testing.assert_array_equal(over, example.primitive.local(k, *xs).arrays[0])


@iterated
def test_calls_run_again_give_the_same_for_new_numbers(example):
    first, second = example.point(9), example.point(10)
    facts = example.primitive.facts(example.shapes)
    xs, y = tuple(np.array(x) for x in first), np.empty(facts.output)
    calls = example.primitive.value_calls(NUMPY, xs, y, np.empty(facts.scratch))
    run(calls)
    for x, new in zip(xs, second, strict=True):
        x[...] = new
    run(calls)
    np.testing.assert_array_equal(y, example.primitive.value(*second))


@iterated
def test_equal_primitives_are_equal_and_hash_alike(example):
    again = eval(repr(example.primitive))
    assert again == example.primitive
    assert hash(again) == hash(example.primitive)


@iterated
def test_a_wrong_number_of_inputs_is_refused_by_name(example):
    with pytest.raises(SizeError, match=f"^{example.primitive.name} of shapes"):
        example.primitive.facts((*example.shapes, (2,)))


ELEMENTWISE = [example for example in EXAMPLES if isinstance(example.primitive, ElementwisePrimitive)]


@pytest.mark.parametrize("example", ELEMENTWISE, ids=lambda e: repr(e.primitive))
def test_scalar_source_gives_the_same_numbers(example):
    xs = example.point(11)
    names = [f"v{k}" for k in range(len(xs))]
    scope = {"math": math, **{name: float(x.reshape(-1)[0]) for name, x in zip(names, xs, strict=True)}}
    scope["w"] = float(example.primitive.value(*xs).reshape(-1)[0])
    source = example.primitive.value_source(names)
    if source is not None:
        assert type(eval(source, scope)) is float
        np.testing.assert_allclose(eval(source, scope), scope["w"], rtol=1e-14, atol=1e-15)
    for k in range(len(xs)):
        source, local = example.primitive.derivative_source(k, names, "w"), example.primitive.local(k, *xs)
        assert source is None or local is not None
        if source is not None:
            assert type(eval(source, scope)) is float
            np.testing.assert_allclose(eval(source, scope), local.todense()[0, 0], rtol=1e-13, atol=1e-15)


def test_what_the_mathematics_of_python_knows_has_scalar_source():
    lacking = {
        name
        for name, primitive in {**UNARY, **BINARY}.items()
        if primitive.value_source("vw"[: len(primitive.formulas.arguments)]) is None
    }
    assert lacking == names(
        "psi erfinv erfcinv erfcx dawsn ndtri log_ndtr exp1 expi j0 i0 heaviside rel_entr kl_div betaln"
    )


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
def test_one_operand_twice_has_two_local_jacobians_that_add(name):
    x = np.array([0.5, 2.0])
    total = sum(Binary(name).local(k, x, x).todense() for k in (0, 1))
    wanted = {"add": [2, 2], "subtract": [0, 0], "multiply": 2 * x, "divide": [0, 0]}[name]
    np.testing.assert_allclose(total, np.diag(wanted))


def test_constant_and_borrowed_derivatives_are_stated():
    def facts(primitive, k=0):
        return primitive.facts(((3,),) * len(primitive.formulas.arguments)).locals[k]

    assert facts(BINARY["add"], 1).link.local == Identity(3)
    assert facts(BINARY["subtract"], 1).link.local == facts(UNARY["negative"]).link.local == Negation(3)
    assert facts(BINARY["multiply"], 0).reads == (1,)
    assert facts(BINARY["multiply"], 0).view == "contiguous"
    assert facts(UNARY["exp"]).reads == (VALUE,)
    assert facts(UNARY["exp"]).view == "contiguous"
    assert facts(UNARY["deg2rad"]).reads == ()
    assert facts(UNARY["deg2rad"]).link.local == Diagonal(3)
    assert facts(UNARY["tanh"]).reads == (VALUE,)
    assert facts(UNARY["tanh"]).in_place == (VALUE,)
    assert (facts(Where(), 0), facts(Where(), 1).view, facts(Where(), 2).reads) == (None, "contiguous", (0,))
    assert facts(BINARY["greater"]) is None


def test_reductions_and_broadcasts_have_the_best_structure():
    def local(primitive, shape):
        return primitive.facts((shape,)).locals[0].link.local

    assert local(Sum((1, 2)), (2, 3, 4)) == Kronecker(Identity(2), Dense(1, 12))
    assert local(Sum((0,)), (3, 4)) == Kronecker(Dense(1, 3), Identity(4))
    assert local(Mean(), (3, 4)) == Dense(1, 12)
    assert isinstance(local(Sum((1,)), (2, 3, 4)), Sparse)
    assert local(Sum((1,)), (3, 1)) == local(Max((1,)), (3, 1)) == Identity(3)
    assert local(Max((1,)), (3, 4)) == BlockDiagonal(3, 1, 4)
    assert local(Max((0,)), (3, 4)) == sparse_like(Kronecker(Dense(1, 3), Identity(4)))
    assert local(Broadcast((4, 3)), (3,)) == Kronecker(Dense(4, 1), Identity(3))
    assert local(Broadcast((4, 3)), (4, 1)) == Kronecker(Identity(4), Dense(3, 1))
    assert local(Broadcast((4, 3)), ()) == local(Broadcast((4, 3)), (1, 1)) == Dense(12, 1)
    assert local(Broadcast((1, 3)), (3,)) == Identity(3)
    assert isinstance(local(Broadcast((2, 4, 3)), (4, 1)), Sparse)
    assert local(Softmax(), (3, 4)) == BlockDiagonal(3, 4, 4)


def test_a_broadcast_is_a_view():
    x = np.array([[1.0], [2.0]])
    view = Broadcast((2, 3)).value_view(x)
    assert np.shares_memory(view, x)
    np.testing.assert_array_equal(view, Broadcast((2, 3)).value(x))


def test_derivatives_at_kinks_are_the_chosen_ones():
    zero, one = np.zeros(1), np.ones(1)
    for share in (0.0, 0.25, 0.5, 1.0):
        assert Absolute(at_zero=share).local(0, zero).todense() == share
        for name in ("maximum", "minimum", "fmax", "fmin"):
            shares = [Extremum(name, at_tie=share).local(k, one, one).todense().item() for k in (0, 1)]
            assert shares == [share, 1 - share]
    assert UNARY["sign"].local(0, zero) is None


def test_fmax_prefers_numbers_to_nan_and_so_does_its_derivative():
    a, b = np.array([1.0, np.nan, 2.0]), np.array([np.nan, 1.0, 3.0])
    np.testing.assert_array_equal(BINARY["fmax"].local(0, a, b).arrays[0], [1, 0, 0])
    np.testing.assert_array_equal(BINARY["fmax"].local(1, a, b).arrays[0], [0, 1, 1])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.sampled_from(["even", "first"]), st.booleans())
def test_derivatives_of_extremes_are_subgradients_at_any_ties(places, ties, is_max):
    x = np.array(places, dtype=float)
    row = (Max if is_max else Min)(ties=ties).local(0, x).todense()[0]
    extreme = x.max() if is_max else x.min()
    assert (row >= 0).all()
    assert row.sum() == pytest.approx(1)
    assert not row[x != extreme].any()
    if ties == "first":
        assert row[np.argmax(x == extreme)] == 1


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=6))
def test_derivatives_of_products_are_right_where_factors_are_zero(factors):
    x = np.array(factors, dtype=float)
    wanted = [np.prod(np.delete(x, k)) for k in range(x.size)]
    np.testing.assert_array_equal(Prod().local(0, x).todense()[0], wanted)


@pytest.mark.parametrize("n", [0.0, 1.0, 2.0, 3.0, 4.0, 1.5, 17.0])
def test_powers_are_right_at_zero_and_below(n):
    zero = np.zeros(1)
    assert Power(n).value(zero) == 0.0**n
    found = Power(n).local(0, zero)
    assert (0 if found is None else found.todense()) == (1 if n == 1 else 0)
    assert BINARY["power"].local(0, zero, np.full(1, n)).todense() == (1 if n == 1 else 0)
    assert BINARY["power"].local(1, zero, np.full(1, n)).todense() == 0
    if n.is_integer():
        np.testing.assert_allclose(Power(n).value([-1.5]), (-1.5) ** n)


def test_large_and_infinite_numbers_do_not_overflow():
    top, low = np.array([1e3, 1e3, -1e3]), np.array([-np.inf, -np.inf])
    np.testing.assert_allclose(Softmax().value(top), [0.5, 0.5, 0])
    np.testing.assert_allclose(LogSoftmax().value(top), [-np.log(2), -np.log(2), -2000 - np.log(2)])
    np.testing.assert_allclose(Logsumexp().value(top), 1e3 + np.log(2))
    np.testing.assert_allclose(Logsumexp().local(0, top).todense(), [[0.5, 0.5, 0]])
    assert Logsumexp().value(low) == -np.inf
    assert Logsumexp().value(-low) == np.inf
    np.testing.assert_allclose(Logsumexp().local(0, [0.0, -np.inf]).todense(), [[1, 0]])
    np.testing.assert_allclose(BINARY["logaddexp"].local(0, top, -top).arrays[0], [1, 1, 0])
    np.testing.assert_array_equal(UNARY["expit"].local(0, top).arrays[0], [0, 0, 0])
    np.testing.assert_array_equal(BINARY["hypot"].local(0, np.zeros(1), np.zeros(1)).arrays[0], [0])
    np.testing.assert_array_equal(BINARY["xlogy"].local(1, np.zeros(1), np.zeros(1)).arrays[0], [0])


def test_what_is_not_chosen_may_be_infinite():
    np.testing.assert_array_equal(Where().value([1.0, 0.0], [1.0, np.nan], [np.inf, 2.0]), [1, 2])


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: Unary("sinn"), OptionError, "unknown elementwise function 'sinn'\ndid you mean 'sin'"),
        (lambda: Binary("ad"), OptionError, "unknown elementwise function 'ad'"),
        (lambda: Extremum("max"), OptionError, "unknown extremum 'max'"),
        (lambda: Extremum("maximum", at_tie=2), OptionError, "at_tie = 2 is no share"),
        (lambda: Absolute(at_zero=-2.0), OptionError, "at_zero = -2.0 is no subgradient"),
        (lambda: Power(np.inf), OptionError, "exponent inf is not a finite number"),
        (lambda: Max(ties="last"), OptionError, "ties 'last' is no choice"),
        (lambda: Binary("add").facts(((2,), (3,))), SizeError, r"add of shapes \(2,\) and \(3,\)\n.*broadcast"),
        (lambda: Broadcast((2, 3)).facts(((2,),)), SizeError, r"broadcast of shapes \(2,\)"),
        (lambda: Broadcast((3,)).facts(((1, 3),)), SizeError, r"broadcast of shapes \(1, 3\)"),
        (lambda: Sum((2,)).facts(((2, 3),)), SizeError, "sum along axis 2 of shape"),
        (lambda: Sum((0, -2)).facts(((2, 3),)), SizeError, "name every axis once"),
        (lambda: Softmax(1).facts(((3,),)), SizeError, "softmax along axis 1 of shape"),
    ],
)
def test_wrong_options_and_shapes_are_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()


def formulas():
    """Formulas in a, b and y that are finite for arguments around 1."""
    leaves = st.sampled_from(["a", "b", "y", "2", "0.5", "-1"])

    def grown(inner):
        pairs = st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})")
        calls = st.tuples(st.sampled_from(["sin", "tanh", "-", "absolute"]), inner).map(lambda p: f"({p[0]}({p[1]}))")
        extremes = st.tuples(inner, inner).map(lambda p: f"maximum({p[0]}, {p[1]})")
        choices = st.tuples(inner, inner, inner).map(lambda p: f"where(greater({p[0]}, 0), {p[1]}, {p[2]})")
        return st.one_of(pairs, calls, extremes, choices)

    return st.recursive(leaves, grown, max_leaves=12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_choices_are_made_by_bits_and_keep_every_number(dtype):
    size = 2 * LARGE_CHOICE
    rng = np.random.default_rng(0)
    mask = (rng.uniform(size=size) > 0.5).astype(dtype)
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 1.5], dtype)
    a, b = rng.choice(odd, size), rng.choice(odd, size)[::-1]
    value = Where().value(mask, a, b)
    np.testing.assert_array_equal(value.view(np.uint8), np.where(mask != 0, a, b).view(np.uint8))
    over = b.copy()
    assert Where().facts(((size,),) * 3).scratch == size
    run(Where().value_calls(NUMPY, (mask, a, over), over, np.empty(size, dtype)))
    np.testing.assert_array_equal(over.view(np.uint8), value.view(np.uint8))


@given(formulas(), st.sampled_from([(), (3,), (2, 2), (LARGE_CHOICE,)]))
@example("where(greater(a, 1), maximum(sin(a) * sin(b), sin(y) * tanh(b)), where(greater(b, 1), a, sin(y)))", (3,))
@example("where(greater(a, 1), maximum(sin(a) * sin(b), sin(y) * tanh(b)), b)", (LARGE_CHOICE,))
def test_formulas_as_calls_and_as_source_agree(formula, shape):
    rng = np.random.default_rng(0)
    variables = {name: rng.uniform(0.5, 1.5, shape) for name in "aby"}
    found = steps_of(formula)
    scope = {"math": math, **{name: float(x.reshape(-1)[-1]) for name, x in variables.items()}}
    wanted = float(eval(python_source(formula, {name: name for name in "aby"}), scope))
    out, scratch = np.empty(shape), np.full(found.registers * math.prod(shape), np.nan)
    run(formula_calls(formula, NUMPY, variables, out, scratch))
    np.testing.assert_allclose(out.reshape(-1)[-1], wanted, rtol=1e-12, atol=1e-12)
    for name in found.variables - found.late:
        over = {key: x.copy() for key, x in variables.items()}
        run(formula_calls(formula, NUMPY, over, over[name], scratch))
        np.testing.assert_array_equal(over[name], out)


@st.composite
def reductions(draw):
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)))
    axes = draw(st.lists(st.integers(0, len(shape) - 1), unique=True))
    return shape, tuple(axes), draw(st.booleans())


@given(reductions())
def test_reductions_and_broadcasts_are_each_others_transpose(drawn):
    shape, axes, keepdims = drawn
    x = np.random.default_rng(0).uniform(0.5, 1.5, shape)
    local = Sum(axes, keepdims).local(0, x).todense()
    wide = Broadcast(shape).local(0, np.sum(x, axis=axes, keepdims=True)).todense()
    np.testing.assert_array_equal(wide, local.T)
    np.testing.assert_allclose(local @ x.reshape(-1), Sum(axes, keepdims).value(x).reshape(-1))
    logs = Logsumexp(axes).local(0, np.log(x)).todense()
    np.testing.assert_allclose(logs, local * x.reshape(-1) / Sum(axes).value(x).reshape(-1, 1))
    np.testing.assert_allclose(
        Prod(axes).local(0, x).todense(), local * Prod(axes).value(x).reshape(-1, 1) / x.reshape(-1)
    )


def primitives_of_the_package():
    found = set()
    for module in pkgutil.iter_modules(jacchain.model.primitives.__path__):
        names = vars(import_module(f"jacchain.model.primitives.{module.name}"))
        found |= {kind for kind in names.values() if isinstance(kind, type) and issubclass(kind, Primitive)}
    return {
        kind for kind in found if not getattr(kind, "__abstractmethods__", None) and getattr(kind, "__final__", False)
    }


def test_every_primitive_of_the_package_has_an_example():
    shapes = import_module("test_shape_primitives").EXAMPLES
    assert primitives_of_the_package() == {type(example.primitive) for example in (*EXAMPLES, *shapes)}


def test_every_refusal_has_a_cure():
    with pytest.raises(JacchainError) as caught:
        Sum((3,)).facts(((2,),))
    assert caught.value.cure
