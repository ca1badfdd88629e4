"""Looking for NaN and infinity in the value of every node, also of those that a derivative does not need."""

from collections.abc import Sequence

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import NonFiniteError
from jacchain.model.expression import Expression


def check_values(expression: Expression, inputs: Sequence[Array], /) -> None:
    """Evaluate an expression node by node.

    Raises
    ------
    NonFiniteError
        Naming the first node whose value is not finite.
    """
    with np.errstate(all="ignore"):  # what it would warn of is found below
        values = expression.values([np.asarray(x, expression.dtype) for x in inputs])
    for k, (node, value) in enumerate(zip(expression.nodes, values, strict=True)):
        if np.isfinite(value).all():
            continue
        if node.operation is None:
            what = f"the argument {node.name}" if node.constant is None else f"the constant %{k}"
            raise NonFiniteError(f"NaN or infinity in {what}", "give finite numbers")
        what = f"the value of node %{k} ({node.operation.name})"
        raise NonFiniteError(f"NaN or infinity in {what}", "look at what goes into it; print the expression to find it")
