"""Records operations one by one: equal ones once, those of constants at once, and none that nothing needs."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.execution.operation import Applied, Operation, Shape
from jacchain.model.expression import Expression, evaluated, facts_of
from jacchain.model.level import Level, fresh_level
from jacchain.model.simpler import gives_mask, simpler
from jacchain.model.tree import Tree

COMPARED: Final = 1 << 10
"""Bytes up to which constants are compared by their contents; above, by a digest of these."""


class Signature(NamedTuple):
    """What the builder does not know of the function it records: its name, and how arguments and results nest."""

    name: str
    arguments: Tree
    results: Tree


@final
class ExpressionBuilder:
    """The nodes recorded so far, all of one dtype.

    Attributes
    ----------
    dtype : dtype
    nodes : list of Applied
        The inputs first.
    masks : set of int
        The nodes that hold 0 and 1 only, and are boolean in NumPy.
    is_closed : bool
        The expression is done, and nothing more may be recorded.
    refused : (str, str) or None
        What was said and advised when numbers were last asked of a node that has none.
    level : (int, int)
        See `level.Level`.
    """

    def __init__(self, dtype: "np.dtype[Any]", /) -> None:
        self.dtype = dtype
        self.level: Level = fresh_level()
        self.is_closed = False
        self.refused: tuple[str, str] | None = None
        self.nodes: list[Applied] = []
        self.masks: set[int] = set()
        self._known: dict[tuple[Operation, tuple[int, ...]], int] = {}
        self._constants: dict[tuple[Shape, bytes, bool], int] = {}
        self._numbers: dict[int, Array] = {}

    def input(self, shape: Shape, name: str, /) -> int:
        """Add an input and return its node."""
        self.nodes.append(Applied(None, (), shape, name=name))
        return len(self.nodes) - 1

    def constant(self, numbers: Array, /) -> int:
        """Return the node of a constant, one for all that are equal; later writes to the array change nothing."""
        is_mask = np.asarray(numbers).dtype == np.bool_
        copied = np.array(numbers, self.dtype, order="C")
        contents = copied.tobytes() if copied.nbytes <= COMPARED else blake2b(copied.data).digest()
        key = copied.shape, contents, is_mask
        if key not in self._constants:
            self._constants[key] = node = self._add_constant(copied)
            if is_mask:
                self.masks.add(node)
        return self._constants[key]

    def _add_constant(self, numbers: Array) -> int:
        numbers.flags.writeable = False
        self.nodes.append(Applied(None, (), numbers.shape, numbers))
        self._numbers[len(self.nodes) - 1] = numbers
        return len(self.nodes) - 1

    def numbers(self, node: int, /) -> Array | None:
        """Return the numbers of a node that depends on constants only."""
        return self._numbers.get(node)

    def apply(self, operation: Operation, operands: Sequence[int], /) -> int:
        """Return the node of an operation on earlier nodes.

        Raises
        ------
        SizeError
            The operation does not take operands of these shapes.
        """
        nodes = tuple(operands)
        while (found := simpler(self, operation, nodes)) is not None:
            nodes = found.operands
            if found.operation is None:
                return nodes[0]
            operation = found.operation
        key = operation, nodes
        if key not in self._known:
            self._known[key] = self._add(operation, nodes)
        return self._known[key]

    def _add(self, operation: Operation, operands: tuple[int, ...]) -> int:
        facts = facts_of(operation, tuple(self.nodes[k].shape for k in operands))
        is_mask = gives_mask(operation, [k in self.masks for k in operands])
        xs = [self._numbers.get(k) for k in operands]
        value = None if any(x is None for x in xs) else evaluated(operation, tuple(xs))
        if value is not None and (not facts.view or value.flags.c_contiguous):
            return self.constant(value != 0 if is_mask else value)
        self.nodes.append(Applied(operation, operands, facts.output))
        node = len(self.nodes) - 1
        if value is not None:  # a broadcast constant stays a view of a few numbers
            self._numbers[node] = value
        if is_mask:
            self.masks.add(node)
        return node

    def expression(self, inputs: Sequence[int], outputs: Sequence[int], signature: Signature, /) -> Expression:
        """Return the recorded expression of some outputs, without the nodes that they do not need."""
        self.is_closed = True
        needed = {*inputs, *outputs}
        for k in reversed(range(len(self.nodes))):
            if k in needed:
                needed |= {*self.nodes[k].operands}
        numbers = {old: new for new, old in enumerate(sorted(needed))}
        kept = [
            node._replace(operands=tuple(numbers[i] for i in node.operands))
            for k, node in enumerate(self.nodes)
            if k in numbers
        ]
        return Expression(
            tuple(kept),
            tuple(numbers[k] for k in inputs),
            tuple(numbers[k] for k in outputs),
            self.dtype,
            signature.arguments,
            signature.results,
            signature.name,
        )
