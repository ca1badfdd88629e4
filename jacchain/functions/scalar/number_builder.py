"""Records operations on single numbers, without those that a constant makes trivial."""

from collections.abc import Sequence
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from jacchain.algebra.kernels import Array
from jacchain.execution.operation import Operation
from jacchain.model.expression import Expression
from jacchain.model.expression_builder import ExpressionBuilder, Signature
from jacchain.model.primitives.binary import Binary, Where
from jacchain.model.primitives.unary import Unary

ADD: Final = Binary("add")
MULTIPLY: Final = Binary("multiply")
NEGATIVE: Final = Unary("negative")


@final
class NumberBuilder:
    """The numbers recorded so far; equal ones once, and no x + 0, x·1, x·0 or x/1.

    Dropping x·0 takes a constant zero as what is not there: it gives 0 also where x is infinite or NaN.

    Examples
    --------
    >>> builder = NumberBuilder(np.dtype(float))
    >>> x = builder.input("x")
    >>> builder.multiply(x, builder.constant(1.0)) == x, builder.add(builder.constant(0.0), x) == x
    (True, True)
    """

    def __init__(self, dtype: "np.dtype[Any]", /) -> None:
        self._builder = ExpressionBuilder(dtype)
        self._constants: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._builder.nodes)

    def input(self, name: str, /) -> int:
        """Add an input and return its node."""
        return self._builder.input((), name)

    def constant(self, number: float, /) -> int:
        """Return the node of a constant."""
        node = self._builder.constant(np.asarray(number))
        return self._noted(node)

    def constants(self, numbers: Array, /) -> NDArray[np.int64]:
        """Return the nodes of an array of constants."""
        nodes = [self.constant(number) for number in numbers.reshape(-1).tolist()]
        return np.array(nodes, np.int64).reshape(numbers.shape)

    def add(self, left: int, right: int, /) -> int:
        """Return the node of a sum."""
        return self.apply(ADD, (left, right))

    def multiply(self, left: int, right: int, /) -> int:
        """Return the node of a product."""
        return self.apply(MULTIPLY, (left, right))

    def apply(self, operation: Operation, operands: Sequence[int], /) -> int:
        """Return the node of an elementwise operation."""
        if isinstance(operation, Binary | Where):
            found = self._trivial(operation, operands)
            if found is not None:
                return found
        return self._noted(self._builder.apply(operation, operands))

    def expression(self, inputs: Sequence[int], outputs: Sequence[int], signature: Signature, /) -> Expression:
        """Return what was recorded, without the nodes that the outputs do not need."""
        return self._builder.expression(inputs, outputs, signature)

    def _noted(self, node: int) -> int:
        """Return a node, with its number noted if it is a constant."""
        folded = self._builder.nodes[node].constant
        if folded is not None:
            self._constants[node] = float(folded)
        return node

    def _trivial(self, operation: Binary | Where, operands: Sequence[int]) -> int | None:
        """Return the node that an operation with a constant merely gives, or None."""
        numbers = [self._constants.get(k) for k in operands]
        match operation, numbers:
            case Binary("add"), [0.0, _]:
                return operands[1]
            case Binary("add" | "subtract"), [_, 0.0]:
                return operands[0]
            case Binary("subtract"), [0.0, _]:
                return self.apply(NEGATIVE, operands[1:])
            case Binary("multiply"), [1.0, _]:
                return operands[1]
            case Binary("multiply" | "divide"), [_, 1.0]:
                return operands[0]
            case Binary("multiply"), [-1.0, _]:
                return self.apply(NEGATIVE, operands[1:])
            case Binary("multiply" | "divide"), [_, -1.0]:
                return self.apply(NEGATIVE, operands[:1])
            case (Binary("multiply"), [0.0, _] | [_, 0.0]):
                return self.constant(0.0)
            case Where(), [float() as mask, _, _]:
                return operands[1] if mask else operands[2]
        return None
