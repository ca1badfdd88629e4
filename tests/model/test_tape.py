"""The tape: reverse accumulation in the one right order, textbook tables, and what forward and reverse mode hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from strategies import numpy_functions, seeds

import jacchain as jc
from jacchain.errors import DtypeError, OptionError, SizeError, TraceError
from jacchain.model.dual import dual_jvp
from jacchain.model.live import live_numbers
from jacchain.model.tape import Tape, Variable
from jacchain.model.trace import trace
from jacchain.model.tree import flatten
from tests.model.test_dual import CASES, planned, planned_once


def taped_jacobian(function, points):
    """Return values and Jacobians, with a column for every number of all arguments, by unit adjoints on a tape."""
    tape = Tape()
    leaves, tree = flatten(points)
    variables = [tape.variable(leaf) for leaf in leaves]
    values = flatten(tape.call(function, *tree.unflatten(variables)))[0]
    rows = []
    for value in values:
        blocks = [np.zeros((np.size(value), v.size)) for v in variables]
        if isinstance(value, Variable):
            blocks = [b.reshape(value.size, -1) for b in tape.jacobian(value, variables)]
        rows.append(np.concatenate(blocks, axis=1))
    return [value.value if isinstance(value, Variable) else value for value in values], rows


@pytest.mark.parametrize(("function", "points"), CASES)
def test_the_tape_gives_values_and_derivatives_of_every_supported_function(function, points):
    values, rows = planned_once(function, points)
    found, blocks = taped_jacobian(function, points)
    for a, b in zip(found, values, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    for a, b in zip(blocks, rows, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@given(numpy_functions(), seeds)
def test_tape_duals_and_plans_agree_on_random_expressions(function, seed):
    x = np.random.default_rng(seed).uniform(0.3, 1.5, 3)
    values, rows = planned(function, (x,))
    found, blocks = taped_jacobian(function, (x,))
    np.testing.assert_allclose(found[0], values[0], rtol=1e-10)
    np.testing.assert_allclose(blocks[0], rows[0], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(dual_jvp(function, x, np.eye(3))[1], blocks[0], rtol=1e-8, atol=1e-9)


@given(numpy_functions(), seeds)
def test_every_operand_stands_before_what_it_is_an_operand_of(function, seed):
    tape = Tape()
    function(tape.variable(np.random.default_rng(seed).uniform(0.3, 1.5, 3)))
    for k, entry in enumerate(tape.entries):
        assert all(operand < k for operand in entry.operands)


@given(st.integers(1, 6), st.floats(-2, 2))
def test_the_adjoint_of_duplication_is_a_sum(count, value):
    tape = Tape()
    x = tape.variable(value)
    total = sum([x] * count, start=0 * x)
    np.testing.assert_allclose(tape.gradient(total, x), count)
    np.testing.assert_allclose(tape.gradient(np.prod(np.stack([x] * count)), x), count * value ** (count - 1))
    np.testing.assert_allclose(tape.gradient(x * x + x, x), 2 * value + 1)


def test_a_diamond_passes_every_adjoint_on_only_when_it_is_complete():
    tape = Tape()
    x = tape.variable(0.7)
    a = np.sin(x)
    b, c = a * x, np.exp(a)  # a and x are used by both arms, and again by their product
    y = b * c * a
    sin, cos, e = np.sin(0.7), np.cos(0.7), np.exp(np.sin(0.7))
    expected = cos * 0.7 * e * sin + sin * e * sin + sin * 0.7 * e * cos * sin + sin * 0.7 * e * cos
    np.testing.assert_allclose(tape.gradient(y, x), expected, rtol=1e-14)
    np.testing.assert_allclose(tape.gradient(y, [a, x])[1], expected, rtol=1e-14)


def test_no_value_can_pass_its_adjoint_on_out_of_turn():
    tape = Tape()
    x = tape.variable(0.5)
    y = x * x
    with pytest.raises(TraceError, match=r"on its own\nuse tape.gradient"):
        y.backward()
    assert not hasattr(y, "adjoint")
    with pytest.raises(AttributeError):
        y.node = 0
    entries = tape.entries
    with pytest.raises(AttributeError):
        entries[1].operands = (5,)
    assert isinstance(entries, tuple)
    assert tape.gradient(y, x) == tape.gradient(y, x) == 1.0  # a pass leaves nothing behind


def test_derivatives_by_any_variable_and_of_any_output():
    tape = Tape()
    x = tape.variable([1.0, 2.0, 3.0])
    s = np.sin(x)
    y = np.sum(s * x)
    np.testing.assert_allclose(tape.gradient(y, s), [1, 2, 3])
    np.testing.assert_allclose(tape.gradient(s[0], y), 0)
    np.testing.assert_array_equal(tape.jacobian(x, x), np.eye(3))
    np.testing.assert_allclose(tape.jacobian(np.outer(s, x), x).shape, (3, 3, 3))


def test_variables_have_numbers_to_branch_on():
    def bisected(f, low, high):
        while high - low > 1e-3:
            middle = (low + high) / 2
            low, high = (middle, high) if f(middle) < 0 else (low, middle)
        return low

    tape = Tape()
    high = tape.variable(2.0)
    root = bisected(lambda x: x * x - 2, tape.variable(0.0), high)
    assert abs(root.value - 2**0.5) < 1e-3
    assert 0 < tape.gradient(root, high) < 1
    x = tape.variable(-3.0)
    assert tape.gradient(x if x > 0 else -x, x) == -1
    assert (x < 0) is True


def test_single_precision_stays():
    tape = Tape(dtype=np.float32)
    x = tape.variable([1.0, 2.0])
    y = np.sum(np.tanh(x * 2.5) @ np.ones((2, 2)))
    assert y.value.dtype == tape.gradient(y, x).dtype == np.float32
    assert tape.live(y).itemsize == 4


def test_layers_functions_and_softmax_go_on_the_tape():
    tape = Tape()
    x = tape.variable([0.1, 0.2, 0.3])
    square = jc.Function(lambda x: x**2, vjp=lambda x, u: 2 * x * u, outputs=3)
    np.testing.assert_allclose(tape.gradient(np.sum(square(x)), x), 2 * x.value)
    p = tape.call(softmax, x)
    np.testing.assert_allclose(tape.jacobian(p, x), np.diag(p.value) - np.outer(p.value, p.value), atol=1e-15)


TABLE = """\
entry  operation           value    tangent    adjoint
v0     x1                      2          1        5.5
v1     x2                      5          0    1.71634
v2     log v0           0.693147        0.5          1
v3     multiply v0 v1         10          5          1
v4     add v2 v3         10.6931        5.5          1
v5     sin v1          -0.958924          0         -1
v6     subtract v4 v5    11.6521        5.5          1"""


def test_the_textbook_table():
    tape = Tape()
    x1, x2 = tape.variable(2, "x1"), tape.variable(5, "x2")
    y = np.log(x1) + x1 * x2 - np.sin(x2)
    assert tape.table(y, x1) == TABLE
    assert "tangent" not in tape.table(y)
    assert str(tape).splitlines()[-1].split() == ["v6", "subtract", "v4", "v5", "11.6521"]
    np.testing.assert_allclose(tape.gradient(y, [x1, x2]), [5.5, 2 - np.cos(5)])


@given(numpy_functions(), seeds)
def test_tables_keep_to_80_columns_and_tangents_meet_adjoints(function, seed):
    tape = Tape()
    x = tape.variable(np.random.default_rng(seed).uniform(0.3, 1.5, 3), "a name that is long")
    y = np.sum(function(x))
    lines = tape.table(y, x).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) == len(tape.entries) + 1
    tangent = float(lines[-1].split()[-2])  # the directional derivative along ones, by tangents
    np.testing.assert_allclose(tangent, np.sum(tape.gradient(y, x)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 5, 40])
def test_forward_mode_holds_two_values_and_reverse_mode_all(steps):
    def chain(x):
        for _ in range(steps):
            x = np.sin(x)
        return np.sum(x)

    n = 100
    tape = Tape()
    live = tape.live(chain(tape.variable(np.ones(n))))
    forward = 3 * n if steps > 1 else 2 * n + 1  # the input stays, and one value turns into the next
    assert live.forward == 2 * forward
    assert live.reverse == (steps + 1) * n + 1 + 2 * n
    expression = trace(chain, np.ones(n))
    assert live_numbers(expression.nodes, expression.outputs) == live
    both = live_numbers(expression.nodes, expression.outputs, tangents=3, adjoints=2, itemsize=4)
    assert both.forward == 4 * forward
    assert str(both).startswith(f"forward mode holds {both.forward:,} numbers ({4 * both.forward:,} bytes)")


def test_constants_and_unused_values_are_not_counted_as_adjoints():
    tape = Tape()
    x = tape.variable(np.ones(10))
    np.exp(x)  # nothing needs it
    y = np.sum(x * np.arange(10.0))
    assert tape.live(y).reverse == 10 + 10 + 10 + 1 + 20


def test_bad_input_is_refused():
    tape, other = Tape(), Tape()
    x, y = tape.variable([1.0, 2.0]), other.variable([1.0, 2.0])
    with pytest.raises(TraceError, match="not on this tape"):
        tape.gradient(np.sum(x + y), x)  # the sum is on the tape that was begun last
    with pytest.raises(TraceError, match="not on this tape"):
        tape.gradient(np.sum(x), y)
    with pytest.raises(TraceError, match="begun after it"):
        tape.variable(y)
    with pytest.raises(TraceError, match="begun after it"):
        tape.variable(x)
    with pytest.raises(DtypeError, match="a tape of float32 is given float64"):
        Tape(dtype=np.float32).variable(x)
    with pytest.raises(SizeError, match=r"gradient of a value of shape \(2,\)"):
        tape.gradient(x, x)
    with pytest.raises(SizeError, match="tangent of v0"):
        tape.table(np.sum(x), x, [1.0])
    with pytest.raises(TraceError, match="the tape would miss"):
        float(x[0])
    with pytest.raises(OptionError, match="a tape of dtype int64"):
        Tape(dtype=int)
    with pytest.raises(TraceError, match="assigned in place"):
        x[0] = 1.0


def test_requests_that_mean_nothing_are_refused():
    tape = Tape()
    x = tape.variable(2.0, "x")
    y = x * x
    for request in (
        lambda: tape.gradient(3.0, x),
        lambda: tape.jacobian(3.0, x),
        lambda: tape.gradient(y, None),
        lambda: tape.gradient(y, [x, 1.0]),
        lambda: tape.table(3.0),
    ):
        with pytest.raises(TraceError, match="not on this tape"):
            request()
    with pytest.raises(OptionError, match="a tape of dtype 'foo'"):
        Tape(dtype="foo")
    for tangent in ("a", None, 1j):
        with pytest.raises(DtypeError, match="the tangent is"):
            tape.table(y, x, tangent)
    for other in (None, "a", 1j):
        with pytest.raises(DtypeError, match="a constant is"):
            x * other
    assert (x == None) is (x == "a") is False  # noqa: E711  # that is the comparison in question
    with pytest.raises(DtypeError, match="too large for a float"):
        tape.variable(10**400)
    with pytest.raises(TraceError, match="write"):
        x ^ 2


@pytest.mark.parametrize("count", [0, -3, 1.5, True])
def test_counts_of_tangents_and_adjoints_are_positive(count):
    tape = Tape()
    y = tape.variable(2.0) * 2.0
    with pytest.raises(SizeError, match="the number of tangents"):
        tape.live(y, tangents=count)
    with pytest.raises(SizeError, match="the number of adjoints"):
        tape.live(y, adjoints=count)


def test_the_power_zero_has_the_derivative_zero():
    tape = Tape()
    x = tape.variable([0.0, 2.0])
    np.testing.assert_array_equal(tape.gradient(np.sum(x**0 + x), x), [1, 1])
