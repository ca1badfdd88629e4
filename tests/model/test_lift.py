"""Expressions for many points: values and Jacobians are those of one point after the other, whatever the operation."""

import numpy as np
import pytest
from model.trace_examples import EXAMPLES, REFUSED, SCIPY_EXAMPLES

from jacchain import layers
from jacchain.functions.options import FunctionOptions
from jacchain.functions.points.lifted_derivative import lifted_derivative
from jacchain.model import lift as lifting
from jacchain.model.function import Function
from jacchain.model.layer_operation import LayerOperation
from jacchain.model.lift import lift
from jacchain.model.mapped_operation import MappedOperation
from jacchain.model.scan import scan
from jacchain.model.trace import trace
from jacchain.model.tree import flatten

COUNT = 3
NAMED = {getattr(f, "__name__", f): found for f, found in {**EXAMPLES, **SCIPY_EXAMPLES}.items() if f not in REFUSED}
LAYERS = {
    "linear": layers.Linear(np.arange(6.0).reshape(2, 3)),
    "softmax": layers.Softmax(0),
    "bias": layers.Bias(np.arange(3.0)),
    "squared error": layers.MeanSquaredError(np.ones(3)),
    "a function with tangents only": Function(lambda x: x**2, outputs=3, jvp=lambda x, v: 2 * x * v),
    "a function with adjoints only": Function(lambda x: x**2, outputs=3, vjp=lambda x, u: 2 * x * u),
}


def many(points):
    return [np.stack([np.asarray(point) * (1 + k / 64) for k in range(COUNT)]) for point in points]


def derivatives(expression, points, count):
    """Return all blocks and values at so many points at once, one lot after the other."""
    options = FunctionOptions(argnums=tuple(range(len(points))), planner="reverse")
    found = lifted_derivative(expression, options, count, with_value=True)
    heads = [expression.nodes[k].shape for k in expression.outputs]
    tails = [expression.nodes[k].shape for k in expression.inputs]
    shapes = [head + tail for head in heads for tail in tails] + heads
    targets = [np.full((len(points[0]), *shape), np.nan) for shape in shapes]
    for first in range(0, len(points[0]), count):
        at = slice(first, first + count)
        found.write([point[at] for point in points], [target[at] for target in targets])
    return targets


def compared(expression, points, count=COUNT):
    with np.errstate(all="ignore"):
        for found, expected in zip(
            derivatives(expression, points, count), derivatives(expression, points, 1), strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", NAMED)
def test_every_function_is_lifted(name):
    for function, points in NAMED[name][-1:]:
        expression = trace(function, *points)
        xs = many(points)
        compared(expression, xs)
        mine = flatten(lift(expression, COUNT)(*xs), "")[0]
        single = [flatten(expression(*(x[k] for x in xs)), "")[0] for k in range(COUNT)]
        for k, found in enumerate(mine):
            np.testing.assert_allclose(found, [one[k] for one in single], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["cumsum", "softmax", "matmul", "prod", "where", "solve", "logsumexp", "cumprod"])
def test_an_operation_that_is_done_point_by_point_gives_the_same(name, monkeypatch):
    monkeypatch.setattr(lifting, "NATURAL", ())
    function, points = NAMED[name][0]
    expression = trace(function, *points)
    assert any(isinstance(node.operation, MappedOperation) for node in lift(expression, 2).nodes)
    compared(expression, many(points))


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_lifted(name):
    expression = trace(lambda x: np.sin(LAYERS[name](x * 2.0)), np.ones(3))
    compared(expression, many([np.array([0.3, -0.7, 1.2])]))
    kinds = {type(node.operation) for node in lift(expression, 2).nodes}
    assert (LayerOperation in kinds) == (name in ("linear", "softmax", "bias"))


def test_repetitions_are_lifted():
    def repeated(x):
        return scan(lambda c, _, p: (np.tanh(c * p), np.sum(c)), x, None, x, length=3)

    compared(trace(repeated, np.ones(2)), many([np.array([0.3, -0.7])]))


def test_what_all_points_share_is_multiplied_once():
    a, b = np.ones((4, 5)), np.ones((6, 4))

    def flops(count):
        expression = trace(lambda x: np.sin(b @ (a @ x)), np.ones(5))
        return lifted_derivative(expression, FunctionOptions(), count, with_value=False).program.flops

    assert flops(50) - flops(25) == 25 * 6 * 5  # the sines' derivatives times B A, which is constant
