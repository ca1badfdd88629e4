"""Dual numbers: exact arithmetic of integers, the same derivatives as the planned graph, branches on values."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax, xlog1py, xlogy
from strategies import numpy_functions, seeds

import jacchain as jc
from jacchain.errors import DtypeError, OptionError, SizeError, TraceError
from jacchain.model.array_protocol import apply
from jacchain.model.dual import Dual, dual_jvp
from jacchain.model.layer_operation import LayerOperation
from jacchain.model.primitives.unary import Absolute
from jacchain.model.trace import trace
from jacchain.model.tree import flatten
from tests.model.trace_examples import EXAMPLES, REFUSED, SCIPY_EXAMPLES

CASES = [
    pytest.param(*example, id=f"{getattr(function, '__name__', function)}-{k}")
    for table in (EXAMPLES, SCIPY_EXAMPLES)
    for function, examples in table.items()
    if function not in REFUSED
    for k, example in enumerate(examples)
]


def unit_tangents(points):
    """Return for every array tangents along all numbers of all of them."""
    leaves, tree = flatten(points)
    starts = np.cumsum([0, *map(np.size, leaves)])
    eye = np.eye(starts[-1])
    parts = [eye[starts[k] : starts[k + 1]].reshape(*np.shape(leaf), -1) for k, leaf in enumerate(leaves)]
    return tree.unflatten(parts)


def planned(function, points):
    """Return value and Jacobian, with a column for every number of all arguments, by way of a trace and a plan."""
    expression = trace(function, *points)
    values = flatten(expression(*points))[0]
    blocks = flatten(jc.jacobian(function, argnums=tuple(range(len(points))), planner="reverse")(*points))[0]
    count = len(flatten(points)[0])
    rows = [
        np.concatenate([np.reshape(b, (np.size(value), -1)) for b in blocks[k * count : (k + 1) * count]], axis=1)
        for k, value in enumerate(values)
    ]
    return values, rows


KNOWN = {}


def planned_once(function, points):
    """Return the same for a case, remembered for the other tests of it."""
    if function not in KNOWN:
        KNOWN[function] = planned(function, points)
    return KNOWN[function]


def dual_jacobian(function, points):
    """Return the same by one call on dual numbers."""
    value, tangent = dual_jvp(function, points, unit_tangents(points))
    values = flatten(value)[0]
    return values, [np.reshape(t, (np.size(y), -1)) for y, t in zip(values, flatten(tangent)[0], strict=True)]


@pytest.mark.parametrize(("function", "points"), CASES)
def test_duals_give_values_and_derivatives_of_every_supported_function(function, points):
    values, rows = planned_once(function, points)
    found, tangents = dual_jacobian(function, points)
    for a, b in zip(found, values, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    for a, b in zip(tangents, rows, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@given(numpy_functions(), seeds)
def test_duals_agree_with_the_plan_of_random_expressions(function, seed):
    x = np.random.default_rng(seed).uniform(0.3, 1.5, 3)
    values, rows = planned(function, (x,))
    found, tangents = dual_jacobian(function, (x,))
    np.testing.assert_allclose(found[0], values[0], rtol=1e-10)
    np.testing.assert_allclose(tangents[0], rows[0], rtol=1e-8, atol=1e-9)


integers = st.integers(-(10**20), 10**20)
pairs = st.builds(Dual, integers, integers)


@given(pairs, pairs, pairs)
def test_integers_form_a_commutative_ring_exactly(a, b, c):
    assert a * b == b * a
    assert (a + b) + c == a + (b + c)
    assert (a * b) * c == a * (b * c)
    assert a * (b + c) == a * b + a * c
    assert a - a == Dual(0, 0)
    assert a * Dual(1, 0) == +a == a + 0
    assert -a == 0 - a == a * -1
    assert Dual(0, 1) * Dual(0, 1) == Dual(0, 0)


def test_the_textbook_product():
    assert -Dual(1, 2) * Dual(3, 4) == Dual(-3, -10)
    assert repr(-Dual(1, 2) * Dual(3, 4)) == "Dual(-3, -10)"


def test_python_numbers_stay_python_numbers():
    assert type((Dual(2, 1) * 3).value) is type((Dual(2, 1) * 3).tangent) is int
    assert type((Dual(2, 1) / 4).value) is float
    assert (Dual(2, 1) ** 3).tangent == 12
    assert (1 / Dual(2, 1)) == Dual(0.5, -0.25)
    assert 2 ** Dual(3, 1) == Dual(8, 8 * math.log(2))


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_numbers_and_arrays_of_one_number_agree(value, tangent):
    def f(x):
        return np.exp(-x * x) / (1 + np.abs(x)) + np.arctan2(x, 2.0) * np.maximum(x, 0.5)

    number, array = f(Dual(value, tangent)), f(Dual([value], [tangent]))
    np.testing.assert_allclose(number.value, array.value[0], rtol=1e-14)
    np.testing.assert_allclose(number.tangent, array.tangent[0], rtol=1e-13, atol=1e-15)


def test_outside_the_domain_numbers_get_the_answer_of_arrays():
    with np.errstate(all="ignore"):
        assert (Dual(1.0, 1.0) / 0.0).value == math.inf
        assert np.sqrt(Dual(0.0, 1.0)).tangent == math.inf
        assert math.isnan(np.log(Dual(-1.0, 1.0)).value)


def test_comparisons_are_of_values_and_plain():
    assert (Dual(1, 5) < Dual(2, 0)) is True
    assert (Dual(1, 5) >= 2) is False
    assert [x.value for x in sorted([Dual(3, 1), Dual(1, 9), Dual(2, 0)])] == [1, 2, 3]
    assert max(Dual(1, 2), Dual(3, 4)) == Dual(3, 4)
    mask = Dual([1.0, 3.0], [0.0, 1.0]) > 2
    assert mask.dtype == bool
    np.testing.assert_array_equal(np.where(mask, Dual([1.0, 3.0], [5.0, 1.0]), 0.0).tangent, [0, 1])


def test_equality_of_two_duals_is_of_both_parts_and_of_values_otherwise():
    assert Dual(1, 2) != Dual(1, 3)
    assert Dual(1, 2) == 1
    assert Dual(1, 2) != 2
    assert np.equal(Dual(1, 2), Dual(1, 3)) is True
    assert len({Dual(1, 2), Dual(1, 2), Dual(1, 3)}) == 2
    x, y = Dual([1.0, 2.0], [3.0, 4.0]), Dual([1.0, 2.0], [3.0, 5.0])
    np.testing.assert_array_equal(x == y, [True, False])
    np.testing.assert_array_equal(x != y, [False, True])
    assert (Dual([1.0], [[1.0, 2.0]]) == Dual([1.0], [[1.0, 3.0]])).tolist() == [False]


def test_the_branch_decides_at_a_kink():
    x = Dual(0.0, 1.0)
    assert (x if x >= 0 else -x).tangent == 1
    assert (x if x > 0 else -x).tangent == -1
    assert abs(x).tangent == 0
    assert [apply(Absolute(at_zero=slope), x).tangent for slope in (-1.0, 0.5, 1.0)] == [-1, 0.5, 1]


def test_a_function_may_branch_on_its_values():
    def collatz(x):
        steps = 0
        while x > 1:
            x = x / 2 if int(x.value if isinstance(x, Dual) else x) % 2 == 0 else 3 * x + 1
            steps += 1
        return x * steps

    value, slope = dual_jvp(collatz, 6.0, 1.0)
    assert value == collatz(6.0) == 8
    assert slope == 8 * 9 / 64  # two steps of 3 x + 1 and six of x / 2


def test_several_tangents_go_together():
    x = np.array([1.0, 2.0])
    value, tangents = dual_jvp(lambda x: x * np.sum(x), x, np.eye(2))
    np.testing.assert_allclose(value, [3, 6])
    np.testing.assert_allclose(tangents, [[4, 1], [2, 5]])
    with pytest.raises(SizeError, match="different numbers of tangents"):
        Dual(x, np.eye(2)) + Dual(x, x)


def test_single_precision_stays():
    x = Dual(np.float32([1, 2]), np.float32([1, 0]))
    for y in (x * 2, x + 1.5, np.sin(x) @ x, x * np.float64(2), x / np.array([1, 2])):
        assert np.asarray(y.value).dtype == np.asarray(y.tangent).dtype == np.float32


def test_arguments_nest_and_results_may_be_constant():
    def f(parameters, x):
        return {"y": parameters["w"] @ x + parameters["b"], "one": 1.0, "p": softmax(x), "list": np.array([x[0], 2.0])}

    rng = np.random.default_rng(0)
    parameters, x = {"w": rng.normal(size=(2, 3)), "b": 0.5}, rng.normal(size=3)
    v = {"w": rng.normal(size=(2, 3)), "b": 2.0}, rng.normal(size=3)
    value, tangent = dual_jvp(f, (parameters, x), v)
    np.testing.assert_allclose(tangent["y"], v[0]["w"] @ x + parameters["w"] @ v[1] + 2)
    assert tangent["one"] == 0
    np.testing.assert_allclose(tangent["list"], [v[1][0], 0])
    np.testing.assert_allclose(tangent["p"], value["p"] * (v[1] - value["p"] @ v[1]))


def test_layers_and_functions_of_the_user_take_duals():
    square = jc.Function(lambda x: x**2, vjp=lambda x, u: 2 * x * u, outputs=3)
    x, v = np.array([1.0, 2.0, 3.0]), np.array([1.0, -1.0, 0.5])
    np.testing.assert_allclose(square(Dual(x, v)).tangent, 2 * x * v)
    np.testing.assert_allclose(apply(LayerOperation(jc.layers.Tanh(), (3,)), Dual(x, v)).value, np.tanh(x))


def test_a_tangent_is_never_lost_silently():
    x = Dual(0.5, 1.0)
    for lossy in (float, math.sin, np.asarray, int, lambda x: np.array([x, x])):
        with pytest.raises(TraceError, match="tangent would be lost"):
            lossy(x)
    assert float(Dual(0.5, 0.0)) == 0.5
    y = np.zeros(2)
    with pytest.raises((TraceError, ValueError)):
        y[0] = x


def test_numbers_are_copied_in_and_out_and_never_written():
    value, tangent = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    x = Dual(value, tangent)
    value[0] = tangent[0] = 9
    np.testing.assert_array_equal(x == Dual([1.0, 2.0], [3.0, 4.0]), [True, True])
    for part in (x.value, x[:1].value, (x * 2).tangent):
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 1.0
    found, slope = dual_jvp(lambda x: x[::-1], value, tangent)
    found[0] = slope[0] = 7
    np.testing.assert_array_equal(value, [9, 2])


def test_bad_input_is_refused():
    with pytest.raises(SizeError, match="tangent of a Dual has shape"):
        Dual([1.0, 2.0], [1.0])
    with pytest.raises(DtypeError):
        Dual(np.array([1, 2]), np.array([1, 2]))
    with pytest.raises(SizeError, match="several tangents at once are for plain arrays"):
        Dual(Dual([1.0, 2.0], [1.0, 2.0]), np.eye(2))
    with pytest.raises(OptionError, match="nests otherwise"):
        dual_jvp(np.sin, 1.0, (1.0,))
    with pytest.raises(TraceError, match="another trace or kind of value"):
        trace(lambda x: x * Dual(1.0, 2.0), 1.0)
    with pytest.raises(TraceError, match="not supported"):
        np.fft.fft(Dual([1.0], [1.0]))


@given(st.integers(-(10**6), 10**6), integers, st.integers(0, 60))
def test_whole_powers_and_absolute_values_of_integers_are_exact(value, tangent, exponent):
    x, product = Dual(value, tangent), Dual(1, 0)
    for _ in range(exponent):
        product = product * x
    assert repr(x**exponent) == repr(product)
    assert repr(abs(x)) == repr(x if value > 0 else -x if value else Dual(0, 0))


def test_a_power_of_zero_is_a_constant_of_the_same_kind():
    assert repr(Dual(0, 1) ** 0) == "Dual(1, 0)"
    for x in (Dual([1.0, 2.0], [1.0, 1.0]), Dual(np.float32([0, 2]), np.float32([1, 1]))):
        y = x**0
        assert isinstance(y, Dual)
        assert y.value.dtype == x.dtype
        np.testing.assert_array_equal(y.value, [1, 1])
        np.testing.assert_array_equal(y.tangent, [0, 0])
    np.testing.assert_array_equal(jc.jacobian(lambda x: x**0 * x)(np.array([0.0, 2.0])), np.eye(2))


@pytest.mark.parametrize("x", [Dual(1, 2), Dual(1.0, 2.0), Dual([1.0, 2.0], [1.0, 1.0])])
def test_what_is_no_number_equals_no_dual_and_meets_none(x):
    for other in (None, "a", b"a", object(), {}):
        assert (x == other) is False
        assert (x != other) is True
        assert (other == x) is False
        assert other not in [x]
    for other in (None, "a"):
        for meet in (lambda a, b: a + b, lambda a, b: b * a, lambda a, b: a < b, lambda a, b: a**b):
            with pytest.raises(DtypeError, match="give real numbers"):
                meet(x, other)
    for meet in (lambda a, b: a * b, lambda a, b: a + b, lambda a, b: a**b, lambda a, b: a == b):
        with pytest.raises(DtypeError, match="is complex"):
            meet(x, 1j)


def test_integers_too_large_for_floats_are_refused_where_floats_are_needed():
    huge = 10**400
    assert (Dual(huge, 1) * Dual(huge, 1)).tangent == 2 * huge
    assert Dual(huge, 1) > 1.0
    cases = [
        lambda: Dual(huge, 1) + 1.0,
        lambda: Dual(huge, 1) / 2,
        lambda: np.sin(Dual(huge, 1)),
        lambda: Dual(1, huge) * 1.5,
        lambda: Dual(huge, [1.0]),
        lambda: Dual([1.0], [1.0]) * huge,
        lambda: Dual(2.0, 1) ** huge,
    ]
    for case in cases:
        with pytest.raises(DtypeError, match="too large for a float"):
            case()


@pytest.mark.parametrize("x", [Dual(1, 2), Dual([1.0, 2.0], [1.0, 1.0])])
def test_the_operators_of_masks_take_nothing_else(x):
    cases = [
        (lambda x: x ^ 2, r"\^ meets(.|\n)*write \*\*"),
        (lambda x: 2 ^ x, r"\^ meets(.|\n)*write \*\*"),
        (lambda x: x & (x > 0), "& meets(.|\n)*compare numbers first"),
        (lambda x: True | x, "meets(.|\n)*compare numbers first"),
        (lambda x: ~x, "~ meets(.|\n)*compare numbers first"),
    ]
    for function, message in cases:
        with pytest.raises(TraceError, match=message):
            function(x)
        with pytest.raises(TraceError, match=message):
            trace(function, np.ones(2))
    mask = (x > 1) ^ (x < 2)
    np.testing.assert_array_equal(mask, np.ones(x.shape, bool))
    expression = trace(lambda x: ((x > 1) ^ (x < 2)) & ~(x == 5) | np.array([True, False]), np.ones(2))
    np.testing.assert_array_equal(expression(np.array([5.0, 1.0])), [1, 1])


SPECIAL_NUMBERS = (-np.inf, -1.0, -0.0, 0.0, 1.0, np.inf, np.nan)
NAMES_OF_TWO = ("maximum", "minimum", "fmax", "fmin", "logaddexp", "logaddexp2")


@pytest.mark.parametrize("function", [*(getattr(np, name) for name in NAMES_OF_TWO), xlogy, xlog1py], ids=str)
@pytest.mark.filterwarnings("ignore:(invalid|divide)")
def test_duals_take_nan_and_infinity_as_numpy_does(function):
    for a, b in product(SPECIAL_NUMBERS, repeat=2):
        wanted = function(a, b)
        for found in (function(Dual(a, 1.0), b), function(a, Dual(b, 1.0)), function(Dual(a, 1.0), Dual(b, 1.0))):
            np.testing.assert_allclose(found.value, wanted, rtol=1e-15, err_msg=f"{a}, {b}")


@pytest.mark.parametrize("number", SPECIAL_NUMBERS)
def test_the_sign_of_a_dual_is_numpys(number):
    np.testing.assert_array_equal(np.sign(Dual(number, 1.0)).value, np.sign(number))
