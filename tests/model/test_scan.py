"""Repetition: the same values and derivatives as the loop written out, with one step's structure however many steps."""

import gc
import weakref
from functools import cache

import numpy as np
import pytest
import scipy.special as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import numpy_functions, seeds

import jacchain as jc
from jacchain.errors import DtypeError, OptionError, SizeError, TraceError
from jacchain.model.dual import dual_jvp
from jacchain.model.scan import scan
from jacchain.model.step_program import value_program
from jacchain.model.tape import Tape
from jacchain.model.trace import trace
from jacchain.model.tree import flatten

PLANNERS = ("auto", "forward", "reverse")


def unrolled(step, carry, xs, *parameters, length=None):
    """Return what scan gives, by a loop that a trace unrolls."""
    ys = []
    for t in range(length or len(flatten(xs)[0][0])):
        leaves, tree = flatten(xs) if xs is not None else ([], None)
        x = None if tree is None else tree.unflatten([leaf[t] for leaf in leaves])
        carry, y = step(carry, x, *parameters)
        ys.append(y)
    if ys[0] is None:
        return carry, None
    columns = zip(*(flatten(y)[0] for y in ys), strict=True)
    return carry, flatten(ys[0])[1].unflatten([np.stack(column) for column in columns])


def lorenz_96(x, force):
    return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + force


def runge_kutta(x, force, h):
    k1 = lorenz_96(x, force)
    k2 = lorenz_96(x + h / 2 * k1, force)
    k3 = lorenz_96(x + h / 2 * k2, force)
    k4 = lorenz_96(x + h * k3, force)
    x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x, np.sum(x**2)


def pendulum(state, _, h, parameters):
    """Symplectic Euler steps of a pendulum of which length and damping are wanted."""
    speed = state["speed"] - h * (np.sin(state["angle"]) / parameters[0] + parameters[1] * state["speed"])
    angle = state["angle"] + h * speed
    return {"angle": angle, "speed": speed}, (angle, {"energy": speed**2 / 2 - np.cos(angle)})


def recurrent(h, x, w, u, b):
    h = np.tanh(h @ w + x @ u + b)
    return h, h[0] * h[1]


RNG = np.random.default_rng(7)
LAYERS = np.random.default_rng(8)
LINEAR, SHIFT = jc.layers.Linear(LAYERS.normal(size=(3, 3))), jc.layers.Bias(LAYERS.normal(size=3))
RELU, MAGNITUDE = jc.layers.Relu(), jc.layers.Abs()
NETWORK = jc.Sequential([LINEAR, jc.layers.Tanh()])
DOUBLE = jc.Function(lambda x: 2 * x, jvp=lambda x, v: 2 * v, vjp=lambda x, u: 2 * u, outputs=3, is_linear=True)
CASES = {
    "a Lorenz-96 orbit": (runge_kutta, (RNG.normal(size=5) + 8, np.linspace(7, 9, 3), 0.05), {}),
    "a pendulum without inputs": (pendulum, ({"angle": 1.0, "speed": 0.2}, None, 0.1, (1.3, 0.2)), {"length": 7}),
    "a recurrent network": (
        recurrent,
        (np.zeros(3), RNG.normal(size=(4, 2)), RNG.normal(size=(3, 3)), RNG.normal(size=(2, 3)), RNG.normal(size=3)),
        {},
    ),
    "a batch of them": (
        lambda h, x, w: (np.tanh(h @ w + x), None),
        (np.zeros((2, 3)), RNG.normal(size=(4, 2, 3)), RNG.normal(size=(3, 3))),
        {},
    ),
    "what is carried is the output": (lambda c, x: (x, c), (np.ones(2), RNG.normal(size=(3, 2))), {}),
    "what is carried is constant": (lambda c, x: (np.ones(2), c * x), (np.ones(2), RNG.normal(size=(3, 2))), {}),
    "an output that is constant": (lambda c, x: (c * x, np.ones(2)), (2.0, RNG.normal(size=3)), {}),
    "one step": (lambda c, x: (c * x, c + x), (2.0, np.array([3.0])), {}),
    "exchanged": (lambda c, x: ((c[1] * x, c[0]), None), ((2.0, 3.0), RNG.normal(size=5)), {}),
    "layers whose pieces are linear": (
        lambda c, x: (np.tanh(LINEAR(c)) + RELU(c) * MAGNITUDE(c) + SHIFT(c) * x, DOUBLE(NETWORK(c))),
        (np.array([0.4, -0.7, 0.3]), RNG.normal(size=4)),
        {},
    ),
    "largest and smallest numbers": (
        lambda c, x: (c * np.max(c) + np.sin(x), np.min(c) * c),
        (np.array([0.4, -0.7, 0.3]), RNG.normal(size=4)),
        {},
    ),
    "functions of higher order": (
        lambda c, x: (sp.psi(2 + c * c) + sp.j0(c) * x, sp.i0(c) + sp.gammaln(2 + x * x)),
        (np.array([0.4, -0.7, 0.0]), RNG.normal(size=3)),
        {},
    ),
}
BESSEL = pytest.mark.host(reason="CUDA has no Bessel functions of a given order")
NAMES = [pytest.param(name, marks=BESSEL) if name == "functions of higher order" else name for name in CASES]


def traced_only(arguments):
    """Return the positions of arguments that may be differentiated with respect to."""
    return [k for k, argument in enumerate(arguments) if argument is not None]


def as_function(loop, step, arguments, options):
    """Return a loop as a function of those arguments that are not None."""
    places = traced_only(arguments)

    def function(*given):
        filled = list(arguments)
        for k, value in zip(places, given, strict=True):
            filled[k] = value
        final, ys = loop(step, *filled, **options)
        return final if ys is None else (final, ys)

    return function, tuple(arguments[k] for k in places)


@cache
def twins_of(name):
    """Return the values of a loop written out, and its Jacobian with respect to everything, block by block."""
    step, arguments, options = CASES[name]
    function, points = as_function(unrolled, step, arguments, options)
    found = jc.value_and_jacobian(function, argnums=tuple(range(len(points))), planner="reverse")(*points)
    values, _ = flatten(found[0])
    blocks = flatten(found[1])[0]
    return values, [blocks[k :: len(blocks) // len(values)] for k in range(len(blocks) // len(values))]


@pytest.mark.parametrize("planner", PLANNERS)
@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_the_loop_written_out(name, planner):
    step, arguments, options = CASES[name]
    function, points = as_function(scan, step, arguments, options)
    values, by_input = twins_of(name)
    for a, b in zip(flatten(function(*points))[0], values, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
    start = 0
    for k, point in enumerate(points):
        found = flatten(jc.jacobian(function, argnums=k, planner=planner)(*points))[0]
        count = len(flatten(point)[0])
        twins = [block for blocks in zip(*by_input[start : start + count], strict=True) for block in blocks]
        start += count
        for a, b in zip(found, twins, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
    everything = jc.jacobian(function, argnums=tuple(range(len(points))), planner=planner)(*points)
    for a, b in zip(flatten(everything)[0], [x for row in zip(*by_input, strict=True) for x in row], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_values_of_a_trace_are_those_of_the_loop(name):
    step, arguments, options = CASES[name]
    function, points = as_function(scan, step, arguments, options)
    expression = trace(function, *points)
    for a, b in zip(flatten(expression(*points))[0], flatten(function(*points))[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
        assert np.shape(a) == np.shape(b)


@pytest.mark.parametrize("name", NAMES)
def test_duals_and_the_tape_go_through_the_loop_and_agree(name):
    step, arguments, options = CASES[name]
    function, points = as_function(scan, step, arguments, options)
    gradient = jc.gradient(total := lambda *xs: sum(np.sum(y * y) for y in flatten(function(*xs))[0]))(*points)
    first, tree = flatten(points[0])
    zeros = flatten(points)[1].unflatten([np.zeros(np.shape(x)) for x in flatten(points)[0]])
    ones = (tree.unflatten([np.ones(np.shape(x)) for x in first]), *zeros[1:])
    tangent = dual_jvp(total, points, ones)[1]
    np.testing.assert_allclose(tangent, sum(np.sum(g) for g in flatten(gradient)[0]), rtol=1e-11, atol=1e-13)
    tape = Tape()
    variables = [tape.variable(x) for x in first]
    found = tape.gradient(tape.call(total, tree.unflatten(variables), *points[1:]), variables)
    for a, b in zip(found, flatten(gradient)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


@settings(max_examples=12)
@given(numpy_functions(longest=4), st.integers(1, 4), seeds)
def test_any_step_may_be_repeated(function, length, seed):
    rng = np.random.default_rng(seed)
    c, w = rng.uniform(0.3, 1.5, 3), rng.uniform(0.3, 1.5, (length, 3))

    def step(c, x):
        c = np.tanh(function(c) * x)
        return c, np.sum(c)

    for k in range(2):
        found = jc.jacobian(lambda c, w: scan(step, c, w), argnums=k)(c, w)
        twins = jc.jacobian(lambda c, w: unrolled(step, c, w), argnums=k, planner="reverse")(c, w)
        for a, b in zip(found, twins, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


def test_scans_nest():
    def inner(c, x):
        return c * np.cos(x), c + x

    def outer(c, x):
        c, ys = scan(inner, c, x)
        return c, np.sum(ys)

    c, xs = np.array([0.4, 0.7]), RNG.normal(size=(3, 4, 2))
    for k in range(2):
        found = jc.jacobian(lambda c, xs: scan(outer, c, xs), argnums=k)(c, xs)
        twins = jc.jacobian(lambda c, xs: unrolled(outer, c, xs), argnums=k)(c, xs)
        for a, b in zip(found, twins, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-13)


def test_single_precision_stays():
    def f(c, xs):
        return scan(lambda c, x: (c * np.float64(0.5) + x, c), c, xs)

    c, xs = np.float32([1, 2]), np.ones((3, 2), np.float32)
    value, found = jc.value_and_jacobian(f)(c, xs)
    assert {a.dtype for a in flatten((value, found))[0]} == {np.dtype(np.float32)}


def test_one_hundred_thousand_steps_are_one_node_and_one_trace_of_the_step():
    calls = []

    def step(x, force, h):
        calls.append(1)
        return runge_kutta(x, force, h)

    def energy(x, force, h):
        return np.sum(scan(step, x, force, h)[1])

    x, force = np.linspace(7, 9, 6), np.full(100_000, 8.0)
    short, long = (trace(energy, x, force[:n], 1e-3) for n in (10, 100_000))
    assert len(short.nodes) == len(long.nodes) < 12
    assert len(calls) == 2
    plans = [jc.gradient(energy).plan(x, force[:n], 1e-3) for n in (10, 100_000)]
    assert len(plans[0].nodes) == len(plans[1].nodes)
    assert len(calls) == 4


def test_ten_thousand_steps_run_in_the_memory_of_their_states():
    length = 10_000

    def swing(parameters):
        start = {"angle": np.array([1.0, 1.1]), "speed": np.zeros(2)}
        return np.sum(scan(pendulum, start, None, 1e-3, parameters, length=length)[0]["angle"])

    point, h = np.array([1.3, 0.2]), 1e-5
    gradient = jc.gradient(swing)
    found = gradient(point)
    moved = [swing(point + sign * h * axis) for axis in np.eye(2) for sign in (1, -1)]
    np.testing.assert_allclose(found, np.subtract(moved[::2], moved[1::2]) / (2 * h), rtol=1e-7)
    values, states = 2 * length * 2 + 4, length * 4  # angles and energies; what is carried
    assert gradient.program(point).peak < 8 * (states + 3 * values)


def test_costs_and_tape_grow_with_the_steps():
    def link(length):
        graph = trace(lambda x, w: scan(recurrent, x, np.ones((length, 2)), w, np.ones((2, 3)), 0.0)[0], *args).graph()
        return next(edge.link for edge in graph.edges if edge.link.name == "scan")

    args = np.zeros(3), np.ones((3, 3))
    one, ten = link(1), link(10)
    assert ten.tangent_cost == 10 * one.tangent_cost > 0
    assert ten.adjoint_cost == 10 * one.adjoint_cost > 0
    assert (one.tape, ten.tape) == (3, 30)
    assert not ten.is_explicit


def test_the_planner_takes_tangents_for_few_inputs_and_adjoints_for_few_outputs():
    xs = np.ones((20, 4))

    def f(rate, xs):
        return scan(lambda c, x, rate: (c + rate * (x - c), c), np.zeros(4), xs, rate)[1]

    def ops(function, argnums):
        nodes = jc.jacobian(function, argnums=argnums).plan(0.5, xs).nodes
        return {type(node).__name__ for node in nodes} | {getattr(node, "mode", "") for node in nodes}

    assert "Tangent" in ops(f, 0) or "tangent" in ops(f, 0)
    assert {"Adjoint", "adjoint"} & ops(lambda rate, xs: np.sum(f(rate, xs)), 1)


def test_what_was_made_for_a_step_goes_with_it():
    def energy(x, force):
        return np.sum(scan(runge_kutta, x, force, 1e-3)[1])

    x, force = np.ones(6), np.ones(5)
    gradient = jc.gradient(energy)
    gradient(x, force)
    held = weakref.ref(gradient.function)
    del gradient, energy
    gc.collect()
    assert held() is None


def test_bad_input_is_refused():
    c, xs = np.ones(2), np.ones((3, 2))

    def traced(step, *args, **options):
        return lambda c: scan(step, c, *args, **options)[0]

    with pytest.raises(OptionError, match="neither xs nor a length"):
        scan(lambda c, x: (c, None), c)
    with pytest.raises(SizeError, match="one leading axis in common"):
        scan(lambda c, x: (c, None), c, (xs, np.ones(2)))
    with pytest.raises(SizeError, match="length 4"):
        scan(lambda c, x: (c, None), c, xs, length=4)
    with pytest.raises(SizeError, match="the number of steps is 0"):
        scan(lambda c, x: (c, None), c, length=0)
    for call in (lambda step: scan(step, c, xs), lambda step: jc.jacobian(traced(step, xs))(c)):
        with pytest.raises(TraceError, match="not a pair"):
            call(lambda c, x: c)
    with pytest.raises(SizeError, match=r"is given carry of shape \(2,\) and gives \(3,\)"):
        jc.jacobian(traced(lambda c, x: (np.ones(3), None), xs))(c)
    with pytest.raises(TraceError, match="nests what it carries otherwise"):
        jc.jacobian(traced(lambda c, x: ((c, c), None), xs))(c)
    with pytest.raises(TraceError, match="pass outer ones as arguments"):
        jc.jacobian(lambda c: scan(lambda s, x: (s * c, None), c, xs)[0])(c)


def test_a_traced_value_that_scan_was_not_given_is_refused_rather_than_unrolled():
    for step in (lambda c, x, w: (c * w, None), lambda c, x, w: (c, x * w), lambda c, x, w: (c, {"y": (x, w)})):
        with pytest.raises(TraceError, match=r"(?s)uses a traced value that scan was not given.*as a parameter"):
            trace(lambda w, step=step: scan(lambda c, x: step(c, x, w), 1.0, np.ones(3))[0], 2.0)


def alternately(*values):
    """Return a step that gives the values in turn as its output."""
    return lambda c, t: (c, values[int(t) % len(values)])


def test_the_loop_holds_steps_to_what_a_trace_holds_them_to():
    c, xs = np.ones(2), np.arange(3.0)
    with pytest.raises(SizeError, match=r"is given carry of shape \(2,\) and gives \(3,\)"):
        scan(lambda c, x: (np.ones(3), None), c, xs)
    with pytest.raises(SizeError, match=r"is given carry\['a'\] of shape \(\) and gives \(2,\)"):
        scan(lambda c, x: ({"a": np.ones(2)}, None), {"a": 0.0}, xs)
    for carry in ((c, c), [c], None):
        with pytest.raises(TraceError, match="nests carry otherwise"):
            scan(lambda c, x, carry=carry: (carry, None), c, xs)
    with pytest.raises(SizeError, match=r"its output of shape \(3,\), and of \(2,\) before"):
        scan(alternately(np.ones(2), np.ones(3)), c, xs)
    for values in (((c, c), c), (c, None), ({"a": 1.0}, {"b": 1.0})):
        with pytest.raises(TraceError, match="nests its output otherwise"):
            scan(alternately(*values), c, xs)
    with pytest.raises(TraceError, match="an output in step 1, and none before"):
        scan(alternately(None, c), c, xs)


def test_what_is_no_step_and_no_length_is_refused():
    for length in ([3], 3.0, "3", True):
        with pytest.raises(SizeError, match="the number of steps is"):
            scan(lambda c, _: (c, None), 1.0, length=length)
    with pytest.raises(OptionError, match="the step of a scan is 3"):
        scan(3, np.ones(2), None, length=3)


def test_whole_numbers_are_steps_of_the_loop_and_refused_in_a_trace():
    table, indices = np.arange(4.0), np.array([3, 1])

    def total(c, given):
        return scan(lambda c, x: (c + table[x["k"]], None), c, {"k": given})[0]

    assert total(1.0, indices) == 5
    with pytest.raises(DtypeError, match=r"(?s)xs\['k'\] holds whole numbers.*astype\(float\)"):
        trace(lambda c: total(c, indices), 1.0)
    selected = trace(lambda c: scan(lambda c, x: (c + x, None), c, table[indices])[0], 1.0)
    assert selected(1.0) == 5


def test_a_step_is_lowered_once():
    step = trace(np.sin, 1.0)
    assert value_program(step) is value_program(step)


def test_a_step_that_gives_the_same_whatever_moves_has_zero_derivatives():
    def f(c):
        return np.sum(scan(lambda c, x: (np.sign(c) + x, None), c, np.arange(3.0))[0] ** 2)

    c = np.array([0.5, -1.0])
    assert jc.gradient(f)(c).tolist() == [0, 0]
    assert jc.hessian(f)(c).tolist() == [[0, 0], [0, 0]]
