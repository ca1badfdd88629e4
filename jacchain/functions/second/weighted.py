"""An expression with weights: the sum of its results' numbers, each times a weight."""

from dataclasses import replace
from math import prod
from typing import NamedTuple, final

from jacchain.execution.operation import Applied
from jacchain.model.expression import Expression
from jacchain.model.primitives.binary import Binary
from jacchain.model.primitives.reduction import Sum


@final
class Weighted(NamedTuple):
    """An expression that has become one number.

    Attributes
    ----------
    expression : Expression
        Its inputs are those of the arguments, and then one for the weights of every result.
    output : int
        The node of the weighted sum.
    """

    expression: Expression
    output: int


def weighted(expression: Expression, /) -> Weighted:
    """Return u·f for an expression of f: its curvature is the weighted sum of those of f.

    Examples
    --------
    >>> import numpy as np
    >>> from jacchain.model.trace import trace
    >>> print(weighted(trace(lambda x: np.sin(x), np.ones(3))).expression)
    %0 = input x              (3,)
    %1 = sin %0               (3,)
    %2 = input weights        (3,)
    %3 = multiply %2 %1       (3,)
    %4 = sum %3               number
    return %1
    """
    nodes, weights, total = list(expression.nodes), list[int](), -1
    for output in expression.outputs:
        shape = expression.nodes[output].shape
        nodes.append(Applied(None, (), shape, name="weights"))
        weights.append(len(nodes) - 1)
        nodes.append(Applied(Binary("multiply"), (len(nodes) - 1, output), shape))
        if prod(shape) > 1 or shape:
            nodes.append(Applied(Sum(None, False), (len(nodes) - 1,), ()))
        if total >= 0:
            nodes.append(Applied(Binary("add"), (total, len(nodes) - 1), ()))
        total = len(nodes) - 1
    made = replace(expression, nodes=tuple(nodes), inputs=expression.inputs + tuple(weights))
    return Weighted(made, total)
