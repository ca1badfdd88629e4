"""Programs over rows: values and derivatives agree with differences, whatever is asked for, in any order."""

import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from jacchain.errors import InfeasibleError, OptionError
from jacchain.functions.rows.layout import Layout, mirrored
from jacchain.functions.rows.number_executable import NumberExecutable
from jacchain.functions.rows.programs import number_by_number, on_rows, row_program
from jacchain.functions.rows.row_executable import RowExecutable
from jacchain.functions.rows.row_program import RowProgram
from jacchain.functions.rows.wanted import Wanted
from jacchain.model.trace import trace
from jacchain.planning.second.planners import SECOND_PLANNERS
from jacchain.workloads.nonlinear.cartpole import cartpole
from jacchain.workloads.nonlinear.hs071 import hs071
from jacchain.workloads.nonlinear.program import NonlinearProgram
from jacchain.workloads.nonlinear.rosenbrock import rosenbrock

Function = Callable[..., Any]

WANTED = {
    "objective": Wanted("value", 0),
    "constraints": Wanted("value", 1),
    "gradient": Wanted("gradient", 0),
    "jacobian": Wanted("jacobian", 1),
    "lagrangian_gradient": Wanted("gradient", 2),
    "hessian": Wanted("hessian", 2),
}

WAYS = {"rows": on_rows, "numbers": number_by_number}


def _shortest(a, b):
    return min(len(a), len(b))


STEPS = {
    "product": lambda a, b: a[: _shortest(a, b)] * b[-_shortest(a, b) :],
    "difference": lambda a, b: a[: _shortest(a, b)] - 0.5 * b[-_shortest(a, b) :],
    "quotient": lambda a, b: a[: _shortest(a, b)] / (2.5 + np.sin(b[: _shortest(a, b)])),
    "waves": lambda a, b: np.sin(a[: _shortest(a, b)] - b[-_shortest(a, b) :]) * np.sin(a[: _shortest(a, b)]),
    "turn": lambda a, _: np.sin(a) * np.cos(a) + np.cos(a) ** 2,
    "cube": lambda a, _: 0.3 * a**3,
    "bell": lambda a, _: np.exp(-0.5 * a * a),
    "tail": lambda a, _: a[1:] if len(a) > 1 else 2.0 * a,
    "even": lambda a, _: a[::2],
    "backwards": lambda a, _: a[::-1],
    "gather": lambda a, _: a[[0, len(a) // 2, 0, -1]],
    "stack": lambda a, b: np.stack([a[: _shortest(a, b)], b[-_shortest(a, b) :]]).T.reshape(-1),
    "join": lambda a, b: np.concatenate([a, b]),
    "totals": lambda a, b: np.stack([a[: _shortest(a, b)], b[: _shortest(a, b)], a[: _shortest(a, b)]]).sum(axis=0),
    "means": lambda a, b: np.stack([a[: _shortest(a, b)], b[: _shortest(a, b)]]).mean(axis=1),
    "scaled": lambda a, b: a * np.mean(b),
    "table": lambda a, b: (a[:2][:, None] + b[:3]).reshape(-1),
    "weights": lambda a, _: a * np.arange(1.0, len(a) + 1.0),
}
"""Analytic functions of two rows of any lengths; some take slices of what others have made."""


class MovingFunction(NamedTuple):
    """A function of six numbers, multipliers and a factor: objective, constraints, and their Lagrangian."""

    steps: tuple[tuple[str, int, int], ...]

    def __call__(self, x, multipliers, factor):
        rows = [x, x[1:5], x[::3]]
        for name, i, j in self.steps:
            rows.append(STEPS[name](rows[-1 - i % len(rows)], rows[-1 - j % len(rows)])[:12])
        first, last = rows[-1], rows[-2]
        m = min(len(first), len(last))
        objective = np.sum(first) + first[:m] @ last[-m:]
        constraints = np.concatenate([last, first[:1]])
        return objective, constraints, factor * objective - multipliers[: len(constraints)] @ constraints


def moving_functions(longest: int = 7) -> st.SearchStrategy[MovingFunction]:
    """Functions of a few steps that slice, join, sum and repeat what others have made."""
    step = st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 8), st.integers(0, 8))
    return st.lists(step, min_size=1, max_size=longest).map(lambda steps: MovingFunction(tuple(steps)))


def inputs(seed: int, dtype: type = np.float64) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    point, multipliers = rng.uniform(-1, 1, 6).astype(dtype), rng.uniform(-1, 1, 13).astype(dtype)
    return point, multipliers, dtype(rng.uniform(0.5, 1))


def filled(program: RowProgram, given: tuple[Any, ...]) -> Any:
    executable = program.bind()
    for position, numbers in enumerate(given):
        executable.set_input(position, np.asarray(numbers))
    return executable


def matrix(layout: Layout | None, values: Any) -> Any:
    assert layout is not None
    return csr_array((values, layout.indices, layout.indptr), shape=layout.shape).toarray()


def whole(layout: Layout | None, values: Any) -> Any:
    assert layout is not None
    found, places = mirrored(layout)
    return matrix(found, values[places])


def jacobian_by_complex_steps(function: Function, point: Any) -> Any:
    step = 1e-30
    columns = [np.imag(function(point + 1j * step * unit)) / step for unit in np.eye(len(point))]
    return np.stack(columns, axis=-1)


def hessian_by_differences(function: Function, point: Any) -> Any:
    step = 1e-4
    slopes = [
        (
            8
            * (
                jacobian_by_complex_steps(function, point + step * e)
                - jacobian_by_complex_steps(function, point - step * e)
            )
            - jacobian_by_complex_steps(function, point + 2 * step * e)
            + jacobian_by_complex_steps(function, point - 2 * step * e)
        )
        / (12 * step)
        for e in np.eye(len(point))
    ]
    return np.stack(slopes, axis=-1)


def assert_close(found: Any, expected: Any, tolerance: float) -> None:
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


@given(function=moving_functions(), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_results_over_rows_agree_with_complex_steps_and_differences(function, seed):
    agree_with_differences("rows", function, inputs(seed))


@given(function=moving_functions(longest=4), seed=st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_results_number_by_number_agree_with_complex_steps_and_differences(function, seed):
    agree_with_differences("numbers", function, inputs(seed))


def agree_with_differences(way: str, function: MovingFunction, given: tuple[Any, ...]) -> None:
    program = WAYS[way](trace(function, *given), WANTED, 0, "edge_pushing")
    assert program is not None
    found, (point, *rest) = filled(program, given), given

    def part(k):
        return lambda x: np.asarray(function(x, *rest)[k])

    assert_close(found.result("objective"), [part(0)(point)], 1e-13)
    assert_close(found.result("constraints"), part(1)(point), 1e-13)
    assert_close(found.result("gradient"), jacobian_by_complex_steps(part(0), point), 1e-11)
    assert_close(found.result("lagrangian_gradient"), jacobian_by_complex_steps(part(2), point), 1e-11)
    jacobian = matrix(program.layouts["jacobian"], found.result("jacobian"))
    assert_close(jacobian, jacobian_by_complex_steps(part(1), point), 1e-11)
    hessian = whole(program.layouts["hessian"], found.result("hessian"))
    assert_close(hessian, hessian_by_differences(part(2), point), 1e-7)


@pytest.mark.parametrize("planner", sorted(set(SECOND_PLANNERS) - {"exhaustive", "search", "forward_over_forward"}))
@given(function=moving_functions(longest=5), seed=st.integers(0, 9))
@settings(max_examples=4, deadline=None)
def test_all_planners_give_one_hessian(planner, function, seed):
    given = inputs(seed)
    expression = trace(function, *given)
    wanted = {"hessian": WANTED["hessian"]}
    found = [on_rows(expression, wanted, 0, name) for name in ("edge_pushing", planner)]
    one, other = (whole(p.layouts["hessian"], filled(p, given).result("hessian")) for p in found if p is not None)
    assert_close(one, other, 1e-11)


@pytest.mark.parametrize("way", WAYS)
@given(function=moving_functions(longest=3), data=st.data())
@settings(max_examples=10, deadline=None)
def test_results_are_those_of_the_inputs_set_last_in_whatever_order_they_are_asked_for(way, function, data):
    program = WAYS[way](trace(function, *inputs(0)), WANTED, 0, "edge_pushing")
    assert program is not None
    current = list(inputs(0))
    executable = filled(program, tuple(current))
    for _ in range(data.draw(st.integers(1, 8))):
        if data.draw(st.booleans()):
            position = data.draw(st.integers(0, 2))
            current[position] = inputs(data.draw(st.integers(1, 9)))[position]
            executable.set_input(position, np.asarray(current[position]))
        name = data.draw(st.sampled_from(sorted(WANTED)))
        expected = filled(program, tuple(current)).result(name)
        np.testing.assert_array_equal(executable.result(name), expected)


@pytest.mark.parametrize("way", WAYS)
@given(function=moving_functions(longest=3), seed=st.integers(0, 9))
@settings(max_examples=6, deadline=None)
def test_float32_stays_float32(way, function, seed):
    given = inputs(seed, np.float32)
    program = WAYS[way](trace(function, *given), WANTED, 0, "edge_pushing")
    assert program is not None
    found = filled(program, given)
    for name, wanted in WANTED.items():
        assert found.result(name).dtype == np.float32
        if wanted.kind == "value":
            assert_close(found.result(name), np.ravel(function(*given)[wanted.output]), 1e-5)


def lagrangian(problem: NonlinearProgram) -> Function:
    def function(x, multipliers, factor):
        objective, constraints = problem.objective(x), problem.constraints(x)
        return objective, constraints, factor * objective - multipliers @ constraints

    return function


@pytest.mark.parametrize("problem", [hs071(), rosenbrock(9), cartpole(5)], ids=lambda problem: problem.name)
def test_patterns_are_those_of_the_numbers_on_the_workloads(problem):
    rng = np.random.default_rng(1)
    given = rng.uniform(0.2, 0.9, problem.n), rng.uniform(0.5, 1, problem.m), 0.7
    expression = trace(lagrangian(problem), *given)
    program = row_program(expression, WANTED)
    assert program is not None
    found = filled(program, given)
    point, *rest = given
    for name, dense in (
        ("jacobian", jacobian_by_complex_steps(lambda x: expression_value(problem, x), point)),
        ("hessian", hessian_by_differences(lambda x: lagrangian(problem)(x, *rest)[2], point)),
    ):
        read = whole if name == "hessian" else matrix
        numbers = read(program.layouts[name], found.result(name))
        pattern = read(program.layouts[name], np.ones_like(found.result(name)))
        assert_close(numbers, dense, 1e-6)
        np.testing.assert_array_equal(pattern != 0, np.abs(dense) > 1e-6 * np.abs(dense).max())


def expression_value(problem: NonlinearProgram, x: Any) -> Any:
    return problem.constraints(x)


def test_a_program_has_as_many_steps_for_any_length():
    counts = set()
    for n in (40, 4_000):
        problem = rosenbrock(n)
        expression = trace(lagrangian(problem), problem.x0, np.ones(problem.m), 1.0)
        program = on_rows(expression, WANTED, 0, "edge_pushing")
        assert program is not None
        counts.add(program.steps_of("constraints"))
    assert len(counts) == 1


def test_the_hessian_of_chained_rosenbrock_takes_one_step_more_than_by_hand():
    problem = rosenbrock(1000)
    expression = trace(lagrangian(problem), problem.x0, np.ones(problem.m), 1.0)
    program = row_program(expression, {"hessian": Wanted("hessian", 2)})
    assert program is not None
    # by hand 27, with 1200 x x - 400 y for 800 x x + 400 (x x - y), which keeps the difference's digits
    assert program.steps_of("hessian") == 28
    waves = [step.function for step in program.steps if step.function in ("sin", "cos", "exp")]
    assert sorted(waves) == ["cos", "exp"]  # sin(b - c) sin(b + c) bends like one cosine of each variable


def test_a_call_allocates_nothing():
    problem = rosenbrock(20_000)
    rng = np.random.default_rng(0)
    given = problem.x0, rng.normal(size=problem.m), 1.0
    program = row_program(trace(lagrangian(problem), *given), WANTED)
    assert program is not None
    executable = filled(program, given)
    for name in WANTED:
        executable.result(name)
    point = problem.x0 + 0.1
    tracemalloc.start()
    executable.set_input(0, point)
    for name in WANTED:
        executable.result(name)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000


def test_what_does_not_depend_on_the_multipliers_is_not_run_again():
    expression = trace(lambda x, u: u @ np.exp(x), np.ones(3), np.ones(3))
    program = on_rows(expression, {"hessian": Wanted("hessian", 0)}, 0, "edge_pushing")
    assert program is not None
    executable = RowExecutable(program)
    executable.set_input(0, np.zeros(3))
    executable.set_input(1, np.ones(3))
    both = executable.calls_due("hessian")
    executable.result("hessian")
    assert executable.calls_due("hessian") == 0
    executable.set_input(1, np.full(3, 2.0))
    assert (both, executable.calls_due("hessian")) == (2, 1)
    np.testing.assert_array_equal(executable.result("hessian"), np.full(3, 2.0))


def test_results_are_read_only_and_overwritten_at_the_next_point():
    program = row_program(trace(lambda x: np.sum(x**3), np.ones(600)), {"gradient": Wanted("gradient", 0)})
    assert program is not None
    executable = filled(program, (np.ones(600),))
    found = executable.result("gradient")
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1.0
    executable.set_input(0, np.full(600, 2.0))
    assert executable.result("gradient") is found
    np.testing.assert_array_equal(found, np.full(600, 12.0))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(np.cumsum(x) ** 2),
        lambda x: np.sum((np.arange(400.0 * 400).reshape(400, 400) @ x) ** 2),
        lambda x: np.sum(x) ** 2 * np.sum(np.sin(x)),
        lambda x: np.max(x) ** 2,
    ],
    ids=["running sums", "a dense matrix", "a dense Hessian", "a maximum"],
)
def test_what_is_not_combined_number_by_number_is_declined(function):
    expression = trace(function, np.arange(400.0) * 40)
    assert on_rows(expression, {"hessian": Wanted("hessian", 0)}, 0, "edge_pushing") is None


def test_infinities_are_those_of_arrays_where_floats_raise():
    def function(x):
        return np.sum(np.log(x) + 1 / x)

    given = (np.array([0.0, 1.0]),)
    program = number_by_number(trace(function, *given), {"gradient": Wanted("gradient", 0)}, 0, "edge_pushing")
    assert program is not None
    executable = filled(program, given)
    assert isinstance(executable, NumberExecutable)
    assert executable.result("gradient")[1] == 0.0
    assert not np.isfinite(executable.result("gradient")[0])


def test_a_planner_that_takes_no_rows_says_why():
    def function(x):
        return np.sum(x[1:] * x[:-1] ** 2)

    expression, wanted = trace(function, np.ones(6)), {"hessian": Wanted("hessian", 0)}
    with pytest.raises(InfeasibleError, match="forward over forward pushes a tensor"):
        on_rows(expression, wanted, 0, "forward_over_forward")
    program = row_program(expression, wanted, planner="forward_over_forward")
    assert program is not None
    assert program.is_numbers


def test_many_single_numbers_go_number_by_number_and_long_rows_do_not():
    def unrolled(x):
        return sum((x[i + 1] - x[i] ** 2) ** 2 for i in range(len(x) - 1))

    wanted = {"value": Wanted("value", 0)}
    narrow = row_program(trace(unrolled, np.ones(150)), wanted)
    wide = row_program(trace(lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2), np.ones(150)), wanted)
    assert narrow is not None
    assert wide is not None
    assert narrow.is_numbers
    assert not wide.is_numbers


def test_functions_of_a_few_numbers_go_number_by_number():
    problem = hs071()
    program = row_program(trace(lagrangian(problem), problem.x0, np.ones(2), 1.0), WANTED)
    assert program is not None
    assert isinstance(program.bind(), NumberExecutable)


@pytest.mark.parametrize("kind", ["gradient", "hessian"])
def test_a_gradient_or_hessian_of_several_numbers_is_refused(kind):
    with pytest.raises(OptionError, match="of 3 numbers"):
        row_program(trace(np.sin, np.ones(3)), {"it": Wanted(kind, 0)})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "function",
    [lambda x: (np.sum(x * 0.0), x, 1.0), lambda x: (3.0, x[1:], np.sum(x)), lambda _: (3.0, np.arange(3.0), 1.0)],
    ids=["zeros", "linear", "constant"],
)
def test_results_that_do_not_depend_on_the_variable_have_no_entries(way, function):
    expression = trace(function, np.ones(3))
    wanted = {**WANTED, "hessian": Wanted("hessian", 0)}
    program = WAYS[way](expression, wanted, 0, "edge_pushing")
    assert program is not None
    point = np.array([1.0, 2.0, 3.0])
    found = filled(program, (point,))
    np.testing.assert_array_equal(found.result("constraints"), function(point)[1])
    np.testing.assert_array_equal(found.result("gradient"), np.zeros(3))
    assert program.layouts["hessian"].nonzeros == 0
    assert found.result("hessian").shape == (0,)


def test_a_program_prints_its_steps():
    expression = trace(lambda x: np.sum(x[1:] * x[:-1] ** 2), np.ones(4))
    program = on_rows(expression, {"hessian": Wanted("hessian", 0)}, 0, "edge_pushing")
    assert str(program).splitlines() == [
        "v1 = x[0:3]",
        "v3 = v1 * 2",
        "v4 = x[1:4]",
        "v5 = 2 * v4",
        "hessian[1:7:2] += v3",
        "hessian[0:6:2] += v5",
    ]
