"""Expressions keep what is needed, once; their graphs keep what depends and is depended on."""

from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jacchain as jc
from jacchain.errors import OptionError, SizeError, TraceError
from jacchain.model.expression import WIDTH, differentiable
from jacchain.model.expression_builder import COMPARED, ExpressionBuilder
from jacchain.model.primitives.unary import Unary
from jacchain.model.trace import trace
from jacchain.model.tree import flatten

X = np.linspace(0.2, 0.8, 6).reshape(2, 3)
V = np.array([0.3, 0.5, 0.7])
BIG = np.arange(COMPARED, dtype=float)


def names(expression):
    return [node.operation.name for node in expression.nodes if node.operation is not None]


Point = namedtuple("Point", "x y")
TREES = st.recursive(
    st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.builds(Point, inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(TREES)
def test_what_is_taken_apart_is_put_together_again(nested):
    leaves, tree = flatten(nested)
    again = tree.unflatten(leaves)
    assert again == nested
    assert type(again) is type(nested)
    assert tree == flatten(again)[1]
    assert hash(tree) == hash(flatten(again)[1])
    assert tree.count == len(leaves) == len(tree.places("p"))


@given(TREES)
def test_places_lead_to_their_leaves(nested):
    leaves, tree = flatten(nested)
    assert [eval(place, {"p": nested}) for place in tree.places("p")] == leaves


def test_too_few_leaves_are_refused():
    with pytest.raises(AssertionError, match="2 arrays for a tree of 1"):
        flatten(1.0)[1].unflatten([1.0, 2.0])


SIMPLER = {
    "equal operations merge": (lambda x: np.sin(x) * 2 + np.sin(x) * 2, ["sin", "broadcast", "multiply", "add"]),
    "x times x is a square": (lambda x: x * x, ["square"]),
    "x to the second too": (lambda x: x**2, ["square"]),
    "nothing dead remains": (lambda x: (np.exp(x), np.sin(x))[1], ["sin"]),
    "two transposes are none": (lambda x: x.T.T + 0, []),
    "two transposes are one": (lambda x: x[None].transpose(1, 0, 2).transpose(2, 0, 1), ["reshape", "transpose"]),
    "a reshape to the same shape is none": (lambda x: x.reshape(2, 3).reshape(2, -1), []),
    "two reshapes are one": (lambda x: x.reshape(3, 2).reshape(6), ["reshape"]),
    "two reshapes may be none": (lambda x: x.reshape(3, 2).reshape(2, 3), []),
    "a broadcast to the same shape is none": (lambda x: np.broadcast_to(x, (2, 3)), []),
    "two negations are none": (lambda x: np.negative(-x), []),
    "a mask is not compared again": (lambda x: np.where(x > V, x, X), ["broadcast", "greater", "where"]),
    "whatever is selected is no index": (lambda x: x[:, :][...], []),
    "constants fold": (lambda x: np.concatenate([x, x])[:2] * np.sin(X) @ np.linalg.inv(np.eye(3)), None),
    "an axis of no length to sum over": (lambda x: np.sum(x, axis=()), []),
    "python's sum starts at 0": (lambda x: sum([x[0], x[1]]), ["index", "index", "add"]),
}


@pytest.mark.parametrize("case", SIMPLER)
def test_nothing_is_recorded_that_is_no_work(case):
    fun, expected = SIMPLER[case]
    expression = trace(fun, X)
    if expected is None:
        assert not {"sin", "inv"} & set(names(expression))
    else:
        assert names(expression) == expected
    np.testing.assert_allclose(expression(X), fun(X))


def test_operations_on_constants_alone_are_done_at_once():
    assert names(trace(lambda x: np.where([True, False, True], 1.0, np.zeros_like(x)) * x, X)) == ["multiply"]
    builder = ExpressionBuilder(np.dtype(float))
    node = builder.apply(Unary("sin"), [builder.constant(V)])
    assert builder.nodes[node].operation is None
    np.testing.assert_array_equal(builder.numbers(node), np.sin(V))


def test_a_broadcast_constant_stays_small():
    expression = trace(lambda x: x * 3.0 + 3.0, np.ones((50, 40)))
    assert [node.constant.size for node in expression.nodes if node.constant is not None] == [1]


@pytest.mark.parametrize("numbers", [np.ones(3), BIG])
def test_equal_constants_are_one_and_later_writes_change_nothing(numbers):
    held = numbers.copy()

    def fun(x):
        found = x * held + x / numbers.copy()
        held[...] = 0.0
        return found

    expression = trace(fun, np.ones(numbers.shape))
    constants = [node.constant for node in expression.nodes if node.constant is not None]
    assert len(constants) == 1
    assert not constants[0].flags.writeable
    np.testing.assert_array_equal(constants[0], numbers)


def test_an_array_written_between_two_uses_is_two_constants():
    def fun(x):
        scratch = BIG.copy()
        first = x * scratch
        scratch += 1.0
        return first + x * scratch

    np.testing.assert_allclose(trace(fun, BIG)(BIG), BIG * (2 * BIG + 1))


def test_a_listing_names_inputs_and_fits_the_page():
    def fun(weights, x):
        rows = [np.tanh(weights["a"] @ x) * k for k in range(1, 30)]
        return np.stack(rows), x, 2.0

    lines = str(trace(fun, {"a": X}, V)).splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    assert lines[0].split() == ["%0", "=", "input", "weights['a']", "(2,", "3)"]
    assert any("constant 2 " in line and "number" in line for line in lines)
    assert any("stack" in line and "more" in line for line in lines)
    assert lines[-1].startswith("return %")


def test_other_shapes_and_nesting_than_traced_are_named():
    expression = trace(lambda p: p["x"] * 2, {"x": X})
    with pytest.raises(SizeError, match=r"p\['x'\] has shape \(3,\), but <lambda> was traced with \(2, 3\)"):
        expression({"x": V})
    with pytest.raises(TraceError, match="other arguments"):
        expression({"y": X})
    with pytest.raises(OptionError, match="argnums 3 of 1 arguments"):
        expression.graph(3)


def test_two_uses_of_a_value_are_two_parallel_edges():
    expression = trace(lambda x: np.arctan2(x, x), V)
    graph, places = differentiable(expression, expression.inputs, expression.outputs)
    assert [(edge.tail, edge.head) for edge in graph.edges] == [(0, 1), (0, 1)]
    assert places == ((1, 0), (1, 1))


def test_what_does_not_matter_to_a_derivative_is_no_vertex():
    def fun(x, y):
        z = np.exp(y)
        return np.sin(x) * z * (np.floor(x) > 0), z

    expression = trace(fun, V, V)
    x, y = expression.inputs
    first, second = expression.outputs
    alone = differentiable(expression, [x], [second]).graph
    assert set(alone.sizes) == {x, second}
    assert alone.edges == ()
    assert alone.requests == ((second, x),)
    found = differentiable(expression, [x], [first]).graph
    assert y not in found.sizes
    assert second not in found.sizes
    assert not {"floor", "greater"} & {edge.link.name for edge in found.edges}
    assert expression.graph(1).requests == ((first, y), (second, y))
    assert expression.graph((-1, 0)).requests == ((first, y), (first, x), (second, y), (second, x))


def test_an_output_that_is_an_input_or_comes_twice_is_one_vertex():
    expression = trace(lambda x: (x, x, x * 2), V)
    graph = expression.graph()
    assert expression.outputs[:2] == (0, 0)
    assert graph.requests == ((0, 0), (expression.outputs[2], 0))


def test_links_have_the_sizes_and_structures_of_the_operations():
    expression = trace(lambda w, x: np.tanh(w @ x), X, V)
    graph = expression.graph()
    assert [str(edge.link.local) for edge in graph.edges] == ["kronecker I(2)⊗(1x3)", "dense 2x3", "diagonal 2"]
    assert graph.sizes == {0: 6, 1: 3, 2: 2, 3: 2}


def test_a_thousand_nodes_share_the_facts_of_equal_operations():
    def fun(x):
        for k in range(400):
            x = np.tanh(x) * (k + 1.5)
        return x

    expression = trace(fun, V)
    assert len(expression.nodes) > 1000
    tanhs = [k for k, node in enumerate(expression.nodes) if node.operation == Unary("tanh")]
    assert len(tanhs) == 400
    assert len({id(expression.facts(k)) for k in tanhs}) == 1


def test_trace_is_a_public_name():
    assert jc.trace is trace
