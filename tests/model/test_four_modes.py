"""Derivatives of derivatives by dual numbers and tapes: every mode, no confusion, and counts as the recurrences say."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
import scipy.special as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import numpy_functions, seeds

import jacchain as jc
from jacchain.errors import DtypeError, OptionError, SizeError, TraceError
from jacchain.model.dual import Dual, dual_jvp
from jacchain.model.four_modes import MODES, hessian_by, second_derivative
from jacchain.model.level import fresh_level
from jacchain.model.propagation import counted
from jacchain.model.tape import Tape, Variable
from jacchain.model.trace import trace
from jacchain.model.tree import flatten
from tests.model.test_dual import CASES


def by_duals(f, x):
    """Return the derivative of a function of one number."""
    return dual_jvp(f, x, 1.0)[1]


def by_tape(f, x):
    """Return the same."""
    tape = Tape()
    variable = tape.variable(x)
    y = f(variable)
    if not isinstance(y, Variable) or y._tape is not tape:
        return 0.0
    return tape.gradient(y, variable)


def differences(f, x, step=1e-4):
    """Return the Hessian by central differences of values."""
    units = step * np.eye(x.size)
    return np.array(
        [[(f(x + a + b) - f(x + a - b) - f(x - a + b) + f(x - a - b)) / (4 * step**2) for a in units] for b in units]
    )


SMOOTH = [
    lambda x: np.sum(np.tanh(x) * x[::-1]),
    lambda x: np.sin(x[0] * x[1]) / np.exp(x[2]),
    lambda x: x[0] ** 3 * np.log(x[1]) + np.arctan2(x[2], x[0]),
    lambda x: x @ np.outer(x, np.sin(x)) @ np.arange(3.0),
    lambda x: np.prod(x) * np.max(x) + np.linalg.norm(x) + np.cumprod(x)[1],
    lambda x: np.linalg.solve(np.outer(x, x) + 3 * np.eye(3), x)[0] + np.linalg.det(np.outer(x, x) + np.diag(x)),
    lambda x: np.einsum("i,ij,j", x, np.arange(9.0).reshape(3, 3), np.exp(x)),
    lambda x: np.sum(np.stack([x, x]).reshape(3, 2) @ np.ones(2)) ** 2,
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", range(len(SMOOTH)))
def test_every_mode_gives_the_hessian(mode, number):
    x = np.array([0.7, 1.3, 0.4])
    found = hessian_by(SMOOTH[number], x, mode).hessian
    wanted = differences(SMOOTH[number], x)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())
    np.testing.assert_allclose(found, found.T, rtol=1e-12, atol=1e-13)


@given(numpy_functions(), seeds)
@settings(max_examples=8)
def test_all_modes_agree_on_random_expressions(function, seed):
    def f(x):
        return np.sum(np.cos(function(x)))

    x = np.random.default_rng(seed).uniform(0.3, 1.5, 3)
    first, *others = (hessian_by(f, x, mode).hessian for mode in MODES)
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-9, atol=1e-9 * (1 + np.abs(first).max()))


def slopes(function, leaves, tree):
    """Return the gradient of a weighted sum of all results by a tape, flat."""
    tape = Tape()
    variables = [tape.variable(leaf) for leaf in leaves]
    values = flatten(tape.call(function, *tree.unflatten(variables)))[0]
    found = []
    for value in values:
        if isinstance(value, Variable) and value._tape is tape:
            weights = np.cos(np.arange(value.size)).reshape(value.shape)
            found.append(tape.gradient(np.sum(value * weights), variables))
    return [sum(parts[k] for parts in found) for k in range(len(leaves))] if found else [0.0 * x for x in leaves]


@pytest.mark.parametrize(("function", "points"), CASES)
def test_a_tape_of_duals_differentiates_the_gradient_of_every_supported_function(function, points):
    leaves, tree = flatten(points)
    leaves = [np.asarray(leaf, float) for leaf in leaves]
    generator = np.random.default_rng(0)
    direction = [generator.uniform(0.5, 1, leaf.shape) for leaf in leaves]
    try:
        found = dual_jvp(lambda *xs: slopes(function, list(xs), tree), tuple(leaves), tuple(direction))[1]
    except OptionError as error:
        assert "states no curvature" in str(error)  # noqa: PT017  (the rest of the test is for those that do)
        pytest.skip("no curvature is stated")
    step = 1e-6
    above, below = (
        slopes(function, [x + sign * v for x, v in zip(leaves, direction, strict=True)], tree) for sign in (step, -step)
    )
    for k, part in enumerate(found):
        wanted = (np.asarray(above[k]) - np.asarray(below[k])) / (2 * step)
        scale = 1 + np.abs(wanted).max(initial=0)
        np.testing.assert_allclose(part, wanted, atol=2e-5 * scale, rtol=1e-4)


@pytest.mark.parametrize(("outer", "inner"), [*product([by_duals, by_tape], repeat=2)])
def test_perturbations_are_not_confused(outer, inner):
    assert outer(lambda x: x * inner(lambda y: x + y, 1.0), 1.0) == 1
    assert outer(lambda x: x * inner(lambda y: x * y, 2.0), 3.0) == 6
    assert outer(lambda x: inner(lambda y: x * x, 2.0) + x, 3.0) == 1
    assert outer(lambda x: inner(lambda y: x * x * y * y, x), 3.0) == 6 * 9  # d/dx 2 x³


@pytest.mark.parametrize("kinds", [*product([by_duals, by_tape], repeat=3)])
def test_derivatives_of_third_order_of_what_is_made_of_formulas(kinds):
    first, second, third = kinds

    def f(x):
        return np.tanh(2 * x) + x**4 / np.exp(x)

    found = first(lambda x: second(lambda y: third(f, y), x), 0.3)
    e, t = np.exp(-0.3), np.tanh(0.6)
    polynomial = (24 * 0.3 - 3 * 12 * 0.09 + 3 * 4 * 0.027 - 0.0081) * e
    np.testing.assert_allclose(found, 8 * (-2 + 8 * t**2 - 6 * t**4) + polynomial, rtol=1e-12)


def test_third_order_of_what_is_not_is_refused():
    with pytest.raises(OptionError, match="a second derivative of prod is differentiated again"):
        by_duals(lambda x: by_duals(lambda y: by_duals(lambda z: np.prod(np.stack([z, z, z])), y), x), 2.0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_multiplications_of_a_chain_are_those_of_the_recurrences(mode, steps):
    def f(x):
        y = x[0]
        for _ in range(steps):
            y = np.sin(y)
        return y

    found = hessian_by(f, [0.5], mode)
    assert found.multiplications == 5 * steps - (1 if mode.startswith("forward") else 2)
    assert found.runs == 1


CHAINS = {  # of a step: its function, and what each mode counts for n steps
    "a slope that is the value": (np.exp, lambda n: (4 * n - 1,) * 4),
    "a slope that is constant": (lambda y: 2.0 * y, lambda n: (2 * n, 2 * n, n, n)),
    "a slope that is one": (lambda y: y + 2.0, lambda n: (0, 0, 0, 0)),
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_multiplications_of_simpler_steps_are_fewer(name, steps):
    step, wanted = CHAINS[name]

    def f(x):
        y = x[0]
        for _ in range(steps):
            y = step(y)
        return y

    found = tuple(hessian_by(f, [-2.0], mode).multiplications for mode in MODES)
    assert found == wanted(steps)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_modes_run_as_often_as_they_say_and_linear_maps_cost_nothing(size):
    x = np.linspace(0.1, 1, size)
    runs = [hessian_by(lambda x: np.sum(np.cumsum(x)[::-1]), x, mode) for mode in MODES]
    assert [run.runs for run in runs] == [size * size, size, size, 1]
    assert [run.multiplications for run in runs] == [0, 0, 0, 0]
    for run in runs:
        np.testing.assert_array_equal(run.hessian, np.zeros((size, size)))


def test_values_and_what_is_outside_are_not_counted():
    with counted() as count:
        assert np.sin(2.0) * 3.0 != Dual(1.0, 0.0).value
        assert np.exp(Dual(1.0, 1.0)).tangent > 0
    assert count.multiplications == 1
    np.exp(Dual(1.0, 1.0))
    assert count.multiplications == 1


@given(st.integers(-(10**12), 10**12), st.integers(2, 9))
def test_duals_of_duals_of_integers_are_exact(value, exponent):
    x = Dual(Dual(value, 1), Dual(1, 0))
    y = x**exponent
    assert y.value == Dual(value**exponent, exponent * value ** (exponent - 1))
    assert y.tangent.tangent == exponent * (exponent - 1) * value ** (exponent - 2)
    assert (x * x * x).tangent.tangent == 6 * value
    assert repr(Dual(Dual(5, 1), Dual(1, 0)) ** 2) == "Dual(Dual(25, 10), Dual(10, 2))"


def test_duals_of_duals_compare_by_values_and_branch():
    x = Dual(Dual(2.0, 1.0), Dual(1.0, 0.0))
    assert (x > 1) is True
    assert x == Dual(Dual(2.0, 1.0), Dual(1.0, 0.0))
    assert x != Dual(Dual(2.0, 1.0), Dual(1.0, 5.0))
    assert x.shape == ()
    assert x.dtype == float
    with pytest.raises(TraceError, match="tangent would be lost"):
        float(x)
    assert second_derivative(lambda x: x * x if x > 1 else x, 2.0) == 2
    assert [second_derivative(lambda x: x * x if x > 1 else x, 0.5, mode) for mode in MODES] == [0] * 4


def test_the_outer_tape_of_two_shows_the_pass_back_over_the_inner():
    outer, inner = Tape(), Tape()
    x = outer.variable(0.5, "x")
    point = inner.variable(x, "x")
    slope = inner.gradient(np.sin(point), point)
    assert [line.split()[1] for line in str(outer).splitlines()[1:]] == ["x", "sin", "sin'", "constant", "multiply"]
    np.testing.assert_allclose(slope.value, np.cos(0.5))
    np.testing.assert_allclose(outer.gradient(slope, x), -np.sin(0.5))
    assert str(inner).splitlines()[1].split(maxsplit=2) == ["v0", "x", "0.5 (outer v0)"]
    assert repr(point) == f"v0 = (v0 = {x.value!r})"
    tape = Tape()
    dual = tape.variable(Dual(0.5, 1.0))
    assert "0.5 + 1ε" in tape.table(np.sin(dual), dual)
    table = outer.table(slope, x)
    assert table.splitlines()[-1].split()[-1] == "1"


def test_jacobians_of_a_tape_of_duals_and_of_another_tape():
    x, v = np.array([0.5, 1.5]), np.array([1.0, -2.0])
    tape = Tape()
    point = tape.variable(Dual(x, v))
    found = tape.jacobian(np.sin(point) * point[0], point)
    np.testing.assert_allclose(found.value, jc.jacobian(lambda x: np.sin(x) * x[0])(x))
    step = 1e-6
    near = [jc.jacobian(lambda x: np.sin(x) * x[0])(x + sign * step * v) for sign in (1, -1)]
    np.testing.assert_allclose(found.tangent, (near[0] - near[1]) / (2 * step), atol=1e-8)


def test_a_directional_derivative_can_be_traced():
    x = np.array([0.5, 1.5])

    def along(x):
        return dual_jvp(lambda y: np.sum(np.tanh(y) * y[::-1]), x, np.array([1.0, 2.0]))[1]

    expression = trace(along, x)
    np.testing.assert_allclose(expression(x), along(x))
    hessian = hessian_by(lambda y: np.sum(np.tanh(y) * y[::-1]), x, "reverse_over_reverse").hessian
    np.testing.assert_allclose(jc.gradient(along)(x), hessian @ [1.0, 2.0])


def test_the_pass_back_over_a_tape_can_be_traced_and_differentiated_by_a_plan():
    def f(x):
        return np.sum(np.tanh(x) * x[::-1]) + np.prod(x) * x[0]

    def slopes(x):
        tape = Tape()
        point = tape.variable(x)
        return tape.gradient(tape.call(f, point), point)

    x = np.array([0.5, 1.5, -0.7])
    expression = trace(slopes, x)
    np.testing.assert_allclose(expression(x), jc.gradient(f)(x), rtol=1e-13)
    wanted = hessian_by(f, x, "forward_over_forward").hessian
    np.testing.assert_allclose(jc.jacobian(slopes)(x), wanted, rtol=1e-12, atol=1e-13)


def test_what_is_linear_piece_by_piece_can_be_traced_inside_a_derivative():
    relu, matrix = jc.layers.Relu(), np.arange(9.0).reshape(3, 3)

    def f(x):
        return np.sum(relu(matrix @ x) ** 2) * np.max(x) + np.sum(jc.layers.Linear(matrix)(x) ** 3)

    def slopes(x):
        tape = Tape()
        point = tape.variable(x)
        return tape.gradient(f(point), point)

    x = np.array([0.5, 1.5, -0.7])
    expression = trace(slopes, x)
    for point in (x, -x, x[::-1]):
        np.testing.assert_allclose(expression(point), jc.gradient(f)(point), rtol=1e-12)
        np.testing.assert_allclose(jc.jacobian(slopes)(point), jc.hessian(f)(point), rtol=1e-12, atol=1e-9)
    for mode in MODES:
        np.testing.assert_allclose(hessian_by(f, x, mode).hessian, jc.hessian(f)(x), rtol=1e-12, atol=1e-9)


LONG = {
    "slices": lambda x: np.sum(x[1:] * x[:-1]),
    "reshapes": lambda x: np.sum(np.reshape(x, (40, -1)) ** 3),
    "sums": lambda x: np.sum(x**3) * np.sum(x),
    "running sums": lambda x: np.sum(np.cumsum(x) ** 3),
    "broadcasts": lambda x: np.sum(np.broadcast_to(np.sum(x * x), x.shape) * x),
}


@pytest.mark.parametrize("name", LONG)
def test_derivatives_of_derivatives_take_memory_in_proportion(name):
    f, x = LONG[name], np.linspace(0.1, 1, 8000)
    v = np.cos(np.arange(x.size))

    def by_duals():
        return dual_jvp(lambda x: dual_jvp(f, x, v)[1], x, v)[1]

    def by_tapes():
        outer, inner = Tape(), Tape()
        point = outer.variable(x)
        variable = inner.variable(point)
        slopes = inner.gradient(f(variable), variable)
        return outer.gradient(np.sum(slopes * v), point) @ v

    tracemalloc.start()
    found = [by_duals(), by_tapes()]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(found, jc.hvp(f, x, v) @ v, rtol=1e-9)
    assert peak < 20e6


@pytest.mark.parametrize("function", [sp.psi, sp.gammaln, sp.gamma, sp.j0, sp.i0])
def test_third_order_of_special_functions_equals_differences_of_the_second(function):
    def third(x):
        return by_duals(lambda a: by_duals(lambda b: by_tape(function, b), a), x)

    step = 1e-4
    second = [second_derivative(function, 0.7 + sign * step) for sign in (1, -1)]
    np.testing.assert_allclose(third(0.7), (second[0] - second[1]) / (2 * step), rtol=1e-6)


def test_a_product_of_a_local_jacobian_is_not_taken_for_linear():
    def along(x):
        return dual_jvp(np.prod, x, np.ones(3))[1]

    x = np.array([0.5, 1.5, -0.7])
    np.testing.assert_allclose(jc.gradient(along)(x), hessian_by(np.prod, x, "reverse_over_reverse").hessian.sum(0))
    with pytest.raises(OptionError, match="states no curvature"):
        jc.hessian(along)(x)


def test_what_is_elementwise_can_be_traced_and_differentiated_twice_more():
    def along(x):
        return np.sum(dual_jvp(lambda y: np.tanh(y) * y, x, np.ones(2))[1])

    x, step = np.array([0.5, -0.7]), 1e-5
    slopes = jc.gradient(along)
    near = [slopes(x + sign * step) for sign in (1, -1)]
    np.testing.assert_allclose(np.diag(jc.hessian(along)(x)), (near[0] - near[1]) / (2 * step), rtol=1e-6)


def test_single_precision_stays():
    found = hessian_by(lambda x: np.sum(np.tanh(x) ** 2), np.float32([0.5, 1.0]), "forward_over_reverse")
    assert found.hessian.dtype == np.float32
    x = np.float32([0.5, 1.0])
    for constant in (np.ones(3, np.float32), np.float32(2.0)):
        for tangent in (x, np.ones((2, 4), np.float32)):
            assert [part.dtype for part in dual_jvp(lambda _, c=constant: c, x, tangent)] == [np.float32] * 2
    assert dual_jvp(lambda _: 2.0, x, x)[1].dtype == float


def test_bad_input_is_refused():
    with pytest.raises(OptionError, match="unknown mode 'sideways'"):
        hessian_by(np.sum, [1.0], "sideways")
    for mode in MODES:
        with pytest.raises(SizeError, match=r"the function gives shape \(2,\)"):
            hessian_by(np.sin, [1.0, 2.0], mode)
        assert hessian_by(lambda x: 3.0, [1.0, 2.0], mode).hessian.tolist() == [[0, 0], [0, 0]]
    with pytest.raises(SizeError, match="several tangents at once are for plain arrays"):
        Dual(Dual([1.0], [1.0]), np.ones((1, 3)))
    with pytest.raises(DtypeError):
        hessian_by(np.sum, np.array([1, 2]), "forward_over_reverse")
    with pytest.raises(TraceError, match="do one thing at a time"):
        trace(lambda x: Dual(1.0, 1.0) * x, 1.0)


def test_levels_are_never_the_same_twice():
    levels = [fresh_level() for _ in range(3)]
    assert levels == sorted(set(levels))
