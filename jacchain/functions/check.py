"""Looking for NaN and infinity in the value of every node, and for stated patterns and Hessians that are wrong."""

from collections.abc import Sequence

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import NonFiniteError
from jacchain.execution.backend import CPU, backend_of, kernels_of
from jacchain.execution.source import Patterned
from jacchain.model.expression import Expression
from jacchain.model.layer_operation import LayerOperation


def check_values(expression: Expression, inputs: Sequence[Array], /) -> None:
    """Evaluate an expression node by node.

    Raises
    ------
    NonFiniteError
        Naming the first node whose value is not finite.
    CheckError
        The stated pattern of a layer misses an entry, or its Hessian is not symmetric.
    """
    home = next((backend for backend in map(backend_of, inputs) if backend not in (None, CPU)), None) or CPU
    with home.active():
        _check(expression, [home.place(x).astype(expression.dtype, copy=False) for x in inputs])


def _check(expression: Expression, inputs: Sequence[Array]) -> None:
    with np.errstate(all="ignore"):  # what it would warn of is found below
        values = expression.values(inputs)
    for k, (node, value) in enumerate(zip(expression.nodes, values, strict=True)):
        if kernels_of(value).xp.isfinite(value).all():
            if isinstance(node.operation, LayerOperation) and isinstance(node.operation.layer, Patterned):
                node.operation.layer.check_pattern(values[node.operands[0]])
            continue
        if node.operation is None:
            what = f"the argument {node.name}" if node.constant is None else f"the constant %{k}"
            raise NonFiniteError(f"NaN or infinity in {what}", "give finite numbers")
        what = f"the value of node %{k} ({node.operation.name})"
        raise NonFiniteError(f"NaN or infinity in {what}", "look at what goes into it; print the expression to find it")
