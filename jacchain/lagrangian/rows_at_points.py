"""Steps over rows at many points: the rows of all points are one, as if they were variables of one problem."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import InfeasibleError
from jacchain.execution.operation import Applied
from jacchain.functions.rows.programs import on_rows
from jacchain.functions.rows.row_program import Executable
from jacchain.functions.rows.wanted import Wanted
from jacchain.lagrangian.recorded import Recorded
from jacchain.model.expression import Expression
from jacchain.model.lift import lift
from jacchain.model.primitives.binary import Binary
from jacchain.model.primitives.matmul import MatMul
from jacchain.model.primitives.reduction import Sum

ROW: Final = 1 << 12
"""Variables of all points together: their rows stay in the cache, and calls are few enough."""

KEPT: Final = 4
"""Numbers of points that a program is kept ready for."""


@final
class RowsAtPoints:
    """One derivative of Σ_b L(x_b, λ_b, σ), whose gradient and sparse matrices have those of L one after the other.

    Parameters
    ----------
    recorded : Recorded
    wanted : Wanted
        Of the recorded expression.
    length : int
        Numbers of the result at one point.
    planner : str
    """

    def __init__(self, recorded: Recorded, wanted: Wanted, length: int, planner: str, /) -> None:
        self.recorded = recorded
        self.wanted = wanted
        self.length = length
        self.planner = planner
        self.executable = lru_cache(maxsize=KEPT)(self._executable)

    def __call__(self, arguments: Sequence[Array], /) -> Array | None:
        """Return the result at points of shape (count, n), of (count, length); None where they are no rows.

        Parameters
        ----------
        arguments : sequence of arrays
            Those of the recorded expression, with an axis of points first.
        """
        count = len(arguments[0])
        found = np.empty((count, self.length), self.recorded.expression.dtype)
        parts = -(-count // max(ROW // self.recorded.variables, 1))
        size = -(-count // max(parts, 1))
        for first in range(0, count, max(size, 1)):
            start = min(first, count - size)  # the last part takes some points a second time
            run = self.executable(size)
            if run is None:
                return None
            for position, argument in enumerate(arguments):
                run.set_input(position, argument[start : start + size])
            found[start : start + size] = run.result("wanted").reshape(size, self.length)
        return found

    def _executable(self, count: int) -> Executable | None:
        expression = lift(_without_dots(self.recorded.expression), count)
        output = expression.outputs[self.wanted.output]
        nodes = expression.nodes
        if self.wanted.kind != "jacobian":
            nodes, output = (*nodes, Applied(Sum(), (output,), ())), len(nodes)
        whole = replace(expression, nodes=nodes, outputs=(output,))
        try:
            program = on_rows(whole, {"wanted": Wanted(self.wanted.kind, 0)}, 0, self.planner)
        except InfeasibleError:
            return None
        if program is None or program.results["wanted"].size != count * self.length:
            return None
        return program.bind()


def _without_dots(expression: Expression) -> Expression:
    """Return an expression with products of two vectors as sums of products, which rows of many points allow."""
    nodes, numbers = list[Applied](), dict[int, int]()
    for k, node in enumerate(expression.nodes):
        operands = tuple(numbers[i] for i in node.operands)
        if isinstance(node.operation, MatMul) and node.shape == ():
            nodes.append(Applied(Binary("multiply"), operands, expression.nodes[node.operands[0]].shape))
            nodes.append(Applied(Sum(), (len(nodes) - 1,), ()))
        else:
            nodes.append(node._replace(operands=operands))
        numbers[k] = len(nodes) - 1
    inputs, outputs = (tuple(numbers[k] for k in ends) for ends in (expression.inputs, expression.outputs))
    return replace(expression, nodes=tuple(nodes), inputs=inputs, outputs=outputs)
