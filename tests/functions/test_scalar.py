"""Functions of few numbers: straight-line programs agree with arrays, differences and themselves at many points."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from benchmarks.scalar_functions import gas_points, robot_arm, robot_points, roe_flux
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import jacchain as jc
from jacchain.errors import NonFiniteError, OptionError, SizeError
from jacchain.functions.derivative import FunctionDerivative
from jacchain.functions.options import function_options
from jacchain.functions.prepared_function import prepared_function
from jacchain.functions.scalar.many_points import ROW, PointsExecutable
from jacchain.functions.scalar.one_point import ScalarExecutable
from jacchain.functions.scalar.python_code import python_code
from jacchain.functions.scalar.registers import registers
from jacchain.functions.scalar.scalar_derivative import scalar_derivative
from jacchain.functions.scalar.scalar_program import ScalarProgram
from jacchain.functions.scalar.scalarise import LARGEST, scalar_graph, scalarised
from jacchain.functions.scalar.steps import CONSTANT, INPUT
from jacchain.model.expression import Expression
from jacchain.model.expression_builder import ExpressionBuilder, Signature
from jacchain.model.primitives.binary import BINARY, Where
from jacchain.model.primitives.unary import UNARY, Power
from jacchain.model.trace import trace
from jacchain.model.tree import LEAF, Tree
from jacchain.planning.elimination.planner import plan_graph

Function = Callable[..., Any]
PLANNERS = ("forward", "reverse", "markowitz", "search", "auto")
POINTS = arrays(float, 3, elements=st.floats(-2, 2, width=32))

UNARY_STEPS = ("negative", "sin", "cos", "tanh", "square", "exp")
BINARY_STEPS = ("add", "subtract", "multiply", "quotient")


@st.composite
def scalar_functions(draw: st.DrawFn) -> Function:
    """Functions of three numbers to two, smooth everywhere, also for complex numbers."""
    count = draw(st.integers(1, 14))
    names = st.sampled_from([*UNARY_STEPS, *BINARY_STEPS, "twice", "constant"])
    steps = [(draw(names), draw(st.integers(0, k + 2)), draw(st.integers(0, k + 2))) for k in range(count)]

    def function(x: Any) -> Any:
        found = [x[0], x[1], x[2]]
        for name, i, j in steps:
            a, b = found[i], found[j]
            match name:
                case "exp":
                    found.append(np.exp(np.sin(a)))
                case "quotient":
                    found.append(a / (2 + np.sin(b)))
                case "twice":
                    found.append(2.0 * a - b * -1.0)
                case "constant":
                    found.append(a * 0.5 + 3.0)
                case "square":
                    found.append(np.tanh(a) * np.tanh(a))
                case _:
                    found.append(np.tanh(getattr(np, name)(a, b) if name in BINARY_STEPS else getattr(np, name)(a)))
        return np.stack(found[-2:])

    return function


def by_arrays(function: Function, *arguments: Any, argnums: Any = 0) -> Any:
    """Return a Jacobian by the program on arrays."""
    expression = trace(function, *arguments)
    found = prepared_function(expression, function_options(argnums=argnums), wanted="jacobian", with_value=False)
    blocks, _ = found.results(found.run([np.asarray(a) for a in arguments]), structured=False)
    return blocks[0] if isinstance(argnums, int) else tuple(blocks)


def by_numbers(function: Function, x: Any, **options: Any) -> Any:
    """Return value and Jacobian by the straight-line program in Python."""
    found = scalar_derivative(trace(function, x), function_options(**options), with_value=True)
    assert found is not None
    source = python_code(found.program)
    assert source is not None
    run = ScalarExecutable(found.program, source, np.dtype(float), refused)
    flat = run([x])
    return flat[6:], flat[:6].reshape(2, 3)


def refused(_arguments: Any, _check: bool) -> Any:
    raise AssertionError("floats do here")


def one_operation(operation: Any, count: int) -> Expression:
    """Return the expression of one elementwise operation on numbers."""
    builder = ExpressionBuilder(np.dtype(float))
    inputs = [builder.input((), name) for name in "abc"[:count]]
    node = builder.apply(operation, inputs)
    return builder.expression(inputs, [node], Signature("f", Tree(tuple, (), (LEAF,) * count), LEAF))


OPERATIONS = {
    **{name: (operation, 1) for name, operation in UNARY.items()},
    **{f"power {n}": (Power(n), 1) for n in (-2.0, 0.5, 1.5, 3.0)},
    **{name: (operation, 2) for name, operation in BINARY.items()},
    "where": (Where(), 3),
}
"""With the number of operands."""

ARRAYS_ONLY = {
    *("betaln", "dawsn", "erfcinv", "erfcx", "erfinv", "exp1", "expi", "gamma", "gammaln", "heaviside"),
    *("i0", "j0", "kl_div", "log_ndtr", "ndtri", "psi", "rel_entr"),
}
"""Those that Python has no function for, or for their derivatives."""

NUMBERS = (-2.5, -1.0, -0.5, 0.0, 0.5, 1.0, 2.5, np.nan, np.inf)


@given(scalar_functions(), POINTS, st.sampled_from(PLANNERS))
def test_a_straight_line_program_agrees_with_arrays_and_complex_steps(function, x, planner):
    value, jacobian = by_numbers(function, x, planner=planner, seconds=0.01)
    steps = [np.imag(function(x + 1e-30j * unit)) / 1e-30 for unit in np.eye(3)]
    np.testing.assert_allclose(value, function(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(jacobian, np.stack(steps, axis=-1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(jacobian, by_arrays(function, x), rtol=1e-9, atol=1e-12)


@given(scalar_functions(), arrays(float, (7, 3), elements=st.floats(-2, 2, width=32)))
def test_many_points_give_what_each_gives_alone(function, x):
    derivative = jc.value_and_jacobian(function, planner="markowitz")
    values, jacobians = derivative.batched(x)
    for point, value, jacobian in zip(x, values, jacobians, strict=True):
        np.testing.assert_allclose(value, function(point), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(jacobian, derivative(point)[1], rtol=1e-9, atol=1e-12)


@given(scalar_functions(), POINTS)
def test_a_row_is_not_written_while_its_numbers_are_needed(function, x):
    found = scalar_derivative(trace(function, x), function_options(planner="reverse"), with_value=True)
    program = found.program
    rows, height = registers(program.steps, program.results)
    holds: dict[int, int] = {}
    for k, step in enumerate(program.steps):
        for i in step.operands:
            assert rows[i] < 0 or holds[rows[i]] == i
        if rows[k] >= 0:
            assert rows[k] < height
            assert step.function not in (INPUT, CONSTANT)
            assert k not in program.results
            holds[rows[k]] = k


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_gives_in_python_what_it_gives_in_numpy(name):
    operation, count = OPERATIONS[name]
    expression = one_operation(operation, count)
    found = scalar_derivative(expression, function_options(argnums=tuple(range(count))), with_value=True)
    assert found is not None
    rows = PointsExecutable(found.program, np.dtype(float), [(len(found.program.results),)])
    source = python_code(found.program)
    assert (source is None) == (name in ARRAYS_ONLY)
    if source is None:
        return

    def fallback(arguments: Any, _check: bool) -> Any:
        return rows([np.reshape(a, (1,)) for a in arguments])[0][0]

    run = ScalarExecutable(found.program, source, np.dtype(float), fallback)
    with np.errstate(all="ignore"):
        for numbers in product(NUMBERS, repeat=count):
            point = [np.asarray(number) for number in ((numbers[0] > 0, *numbers[1:]) if count == 3 else numbers)]
            np.testing.assert_allclose(run(point), fallback(point, False), rtol=1e-11, atol=1e-14, err_msg=str(numbers))


@pytest.mark.host(reason="numbers one by one are for the host")
@pytest.mark.parametrize(("function", "points"), [(robot_arm, robot_points), (roe_flux, gas_points)])
def test_scalar_code_agrees_with_differences_and_with_arrays(function, points):
    x = points(5)
    derivative = jc.jacobian(function)
    found = derivative.batched(x)
    for point, jacobian in zip(x, found, strict=True):
        steps = 1e-5 * np.maximum(abs(point), 0.1)
        differences = [(function(point + h) - function(point - h)) / (2 * h.sum()) for h in np.diag(steps)]
        scale = np.abs(jacobian).max()
        np.testing.assert_allclose(jacobian, np.stack(differences, axis=-1), rtol=1e-6, atol=1e-8 * scale)
        np.testing.assert_allclose(derivative(point), jacobian, rtol=1e-10, atol=1e-12 * scale)
        np.testing.assert_allclose(by_arrays(function, point), jacobian, rtol=1e-9, atol=1e-11 * scale)
    assert isinstance(derivative.program(x[0]), ScalarProgram)
    assert derivative.plan(x[0]).flops < 300


@pytest.mark.parametrize("count", [1, ROW // 8, ROW // 8 + 1, 5000])
def test_any_number_of_points_is_taken_in_rows(count):
    x = robot_points(count)
    found = jc.jacobian(robot_arm, planner="markowitz").batched(x)
    assert found.shape == (count, 6, 6)
    assert found.flags.c_contiguous
    places = np.unique([0, count // 2, count - 1])
    np.testing.assert_allclose(found[places], [jc.jacobian(robot_arm)(x[k]) for k in places], rtol=1e-9, atol=1e-9)


def test_no_points_give_no_jacobians():
    assert jc.jacobian(robot_arm).batched(np.empty((0, 6))).shape == (0, 6, 6)


ROUTED: dict[str, Function] = {
    "sum": lambda x: np.sum(x, axis=0) * x[1],
    "mean": lambda x: np.mean(x, axis=1),
    "product": lambda x: np.prod(x, axis=1),
    "cumulative": lambda x: np.cumsum(x, axis=0) * np.cumprod(x, axis=1),
    "matrix products": lambda x: x @ x.T @ np.array([2.0, 1.0]),
    "stacks": lambda x: np.concatenate([x, np.stack([x[0], x[1] * 2])]).T[::-1],
    "broadcasting": lambda x: x / (1 + x[:, :1] ** 2),
    "gathering": lambda x: x.reshape(-1)[[0, 3, 3, 1]] * np.roll(x, 1)[0, 0],
    "padding": lambda x: np.pad(np.sin(x), 1),
    "choosing": lambda x: np.where(x > 0.5, x**2, np.exp(x)),
    "extremes": lambda x: np.maximum(x, 0.4) + np.minimum(x[::-1], x),
    "largest of two": lambda x: np.max(x, axis=0),
    "constants": lambda x: np.stack([np.sum(x), 3.0, x[0, 0]]),
    "ones and zeros": lambda x: x * np.array([1.0, 0.0, -1.0]) + np.zeros(3),
    "the argument": lambda x: x,
    "twice the same": lambda x: (x[0], x[0], {"a": x[0] * x[0]}),
}


@pytest.mark.parametrize("name", ROUTED)
def test_arrays_are_written_out_number_by_number(name):
    x = np.random.default_rng(3).uniform(0.2, 1.5, (2, 3))
    function = ROUTED[name]
    expression = trace(function, x)
    assert scalarised(expression) is not None
    derivative = jc.value_and_jacobian(function)
    values, blocks = derivative.batched(np.stack([x, 2 * x]))
    for k, point in enumerate((x, 2 * x)):
        alone, jacobian = jc.value_and_jacobian(function, memory="1GiB")(point)  # on arrays
        quick, straight = derivative(point)
        for many, found, expected in ((values, quick, alone), (blocks, straight, jacobian)):
            leaves = jc_leaves(expected)
            for a, b, c in zip(leaves, jc_leaves(found), jc_leaves(many), strict=True):
                np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-13)
                np.testing.assert_allclose(c[k], a, rtol=1e-10, atol=1e-13)


def jc_leaves(nested: Any) -> list[Any]:
    match nested:
        case dict():
            return [leaf for value in nested.values() for leaf in jc_leaves(value)]
        case tuple() | list():
            return [leaf for value in nested for leaf in jc_leaves(value)]
        case _:
            return [nested]


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (np.log, [-1.0, 2.0]),
        (np.log, [0.0, 2.0]),
        (lambda x: 1 / x, [0.0, 2.0]),
        (np.sqrt, [0.0, -2.0]),
        (np.exp, [1000.0, 1.0]),
        (np.arcsin, [2.0, 0.5]),
        (lambda x: x**1.5, [-1.0, 0.5]),
        (lambda x: np.sin(x) * x[0], [np.inf, 1.0]),
        (lambda x: np.maximum(x[0], x[1]), [np.nan, 1.0]),
        (lambda x: np.minimum(x[0], x[1]), [1.0, np.nan]),
        (lambda x: np.abs(x) * x, [np.nan, 1.0]),
    ],
)
def test_outside_the_domain_there_is_what_numpy_gives(function, x):
    point = np.array(x)
    derivative = jc.jacobian(function)
    with np.errstate(all="ignore"):
        found, expected = derivative(point), by_arrays(function, point)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        np.testing.assert_allclose(derivative.batched(point[None])[0], found, rtol=1e-12)


def test_not_a_number_is_found_on_request():
    derivative = jc.jacobian(lambda x: np.log(x) * x[0], check=True)
    with pytest.raises(NonFiniteError, match="log"):
        derivative(np.array([-1.0, 1.0]))
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match="point 1 of 3"):
        derivative.batched(np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, 1.0]]))
    np.testing.assert_allclose(derivative(np.array([1.0, 2.0])), [[1, 0], [np.log(2), 0.5]])


def test_single_precision_stays_so():
    x = gas_points(3, np.float32)
    derivative = jc.jacobian(roe_flux)
    assert derivative(x[0]).dtype == derivative.batched(x).dtype == np.float32
    np.testing.assert_allclose(derivative(x[0]), jc.jacobian(roe_flux)(x[0].astype(float)), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(derivative.batched(x)[0], derivative(x[0]), rtol=1e-4, atol=1e-4)


def test_several_arguments_nested_and_chosen():
    def f(p, t):
        return {"y": p["a"] * np.sin(t), "z": p["b"][0] * t**2}

    p = {"a": np.array(2.0), "b": np.array([1.0, 3.0])}
    derivative = jc.jacobian(f, argnums=(1, 0))
    at_t, at_p = derivative(p, np.array(0.5))["y"]
    np.testing.assert_allclose([at_t, at_p["a"]], [2 * np.cos(0.5), np.sin(0.5)])
    np.testing.assert_array_equal(at_p["b"], [0, 0])
    t = np.linspace(0, 1, 4)
    many = {"a": np.full(4, 2.0), "b": np.ones((4, 2))}
    found = derivative.batched(many, t)
    np.testing.assert_allclose(found["z"][0], 2 * t)
    np.testing.assert_allclose(found["z"][1]["b"], np.stack([t**2, 0 * t], axis=-1))


def test_gradients_at_many_points_have_the_arguments_shape():
    x = np.random.default_rng(0).normal(size=(10, 4))
    found = jc.gradient(lambda x: np.sum(np.sin(x) * x[::-1])).batched(x)
    np.testing.assert_allclose(found, np.cos(x) * x[:, ::-1] + np.sin(x)[:, ::-1])
    with pytest.raises(SizeError, match="gradient"):
        jc.gradient(np.sin).batched(x)


def test_points_may_lie_anyhow():
    x = robot_points(12)
    derivative = jc.jacobian(robot_arm)
    expected = derivative.batched(x)
    np.testing.assert_array_equal(derivative.batched(np.asfortranarray(x)), expected)
    np.testing.assert_array_equal(derivative.batched(np.repeat(x, 2, axis=0)[::2]), expected)


def test_the_function_is_called_once_for_all_points_and_calls():
    calls = []

    def f(x):
        calls.append(x)
        return np.sin(x) * x[0]

    derivative = jc.jacobian(f)
    for count in (3, 3, 8):
        derivative.batched(np.ones((count, 2)))
    assert len(calls) == 1
    derivative.release()
    derivative.batched(np.ones((3, 2)))
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("derivative", "arguments", "error", "match"),
    [
        (jc.jacobian(lambda a, b: a * b), [np.ones(3), np.ones(4)], SizeError, "many points"),
        (jc.jacobian(np.sin), [np.array(1.0)], SizeError, "first axis"),
        (jc.jacobian(np.sin, structured=True), [np.ones(3)], OptionError, "structured"),
    ],
)
def test_what_many_points_do_not_take_is_refused(derivative: FunctionDerivative, arguments, error, match):
    with pytest.raises(error, match=match):
        derivative.batched(*arguments)


def test_large_functions_keep_to_arrays():
    x = np.linspace(0, 1, 50)
    assert not isinstance(jc.jacobian(lambda x: np.tanh(x) * 2)(x), ScalarProgram)
    assert scalarised(trace(np.sin, np.ones(LARGEST + 1))) is None
    with pytest.raises(OptionError, match="number by number"):
        scalar_graph(trace(np.sin, np.ones(LARGEST + 1)))


def test_products_by_one_and_minus_one_cost_nothing_where_that_is_asked():
    graph = scalar_graph(trace(robot_arm, np.ones(6)))
    for planner in PLANNERS:
        plain, free = (plan_graph(graph, planner=planner, seconds=0.05, unit_free=k) for k in (False, True))
        assert free.flops < plain.flops
    assert len(graph.requests) == 36


def test_parallel_edges_add():
    for function, expected in ((lambda x: x * x, [[6.0]]), (lambda x: x + x, [[2.0]])):
        np.testing.assert_array_equal(jc.jacobian(function)(np.array([3.0])), expected)
        np.testing.assert_array_equal(jc.jacobian(function).batched(np.array([[3.0]])), [expected])


def test_common_factors_leave_the_sum():
    def f(x):
        return x[0] * np.sin(x[1]) + x[0] * np.sin(x[2]) + x[0] * np.sin(x[3])

    found = scalar_derivative(trace(f, np.ones(4)), function_options(), with_value=False)
    assert found is not None
    assert found.program.multiplications == 3  # x0 cos of the three, and nothing for x0 itself


@pytest.mark.host(reason="numbers one by one are for the host")
def test_a_program_is_printed_as_a_listing():
    derivative = jc.jacobian(lambda x: np.sin(x[0]) * x[1])
    assert str(derivative.program(np.ones(2))) == "v2 = cos(x0)\nv3 = x1 * v2\nv4 = sin(x0)\nreturn v3, v4"
