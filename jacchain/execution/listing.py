"""A program being written: steps in order, before any storage is known."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import final

from jacchain.algebra.addition import addition
from jacchain.algebra.expand import expand_cost
from jacchain.algebra.lifted import blocks
from jacchain.algebra.product import product
from jacchain.algebra.structure import Dense, Identity, Structure
from jacchain.execution.program import Op


@final
@dataclass
class Step:
    """An instruction before storage is known."""

    op: Op
    result: int
    operands: tuple[int, ...]
    source: int
    mode: str
    flops: int
    scratch: int
    in_place: tuple[int, ...]


@final
@dataclass
class Listing:
    """Steps being written: which registers they leave, and which of these are borrowed or views of others."""

    steps: list[Step] = field(default_factory=list)
    structures: list[Structure] = field(default_factory=list)
    borrowed: set[int] = field(default_factory=set)
    views: dict[int, int] = field(default_factory=dict)
    """For a register that is a view the one whose storage it shares, itself no view."""
    known: dict[Hashable, int] = field(default_factory=dict)
    """What stands in which register, so that nothing is made twice."""
    results: tuple[int, ...] = ()
    each: int = 0
    """The first register that is made for every slice."""

    def emit(
        self,
        op: Op,
        structure: Structure,
        operands: tuple[int, ...] = (),
        *,
        source: int = -1,
        mode: str = "",
        flops: int = 0,
        scratch: int = 0,
        in_place: tuple[int, ...] = (),
    ) -> int:
        """Add a step and return the register of its result."""
        self.structures.append(structure)
        result = len(self.structures) - 1
        self.steps.append(Step(op, result, operands, source, mode, flops, scratch, in_place))
        return result

    def multiply(self, left: int, right: int, /) -> int:
        """Return the register of a product; an identity passes the other operand on, and equal products merge."""
        if isinstance(self.structures[left], Identity):
            return right
        if isinstance(self.structures[right], Identity):
            return left
        key = ("multiply", left, right)
        if key not in self.known:
            made = product(self.structures[left], self.structures[right])
            sides = {"": (), "left": (left,), "right": (right,), "either": (left, right)}
            in_place = sides[made.rule.in_place]
            self.known[key] = self.emit(
                "multiply", made.structure, (left, right), flops=made.cost, scratch=made.scratch, in_place=in_place
            )
        return self.known[key]

    def add(self, left: int, right: int, /) -> int:
        """Return the register of a sum; equal sums merge."""
        key = ("add", *sorted((left, right)))
        if key not in self.known:
            made = addition(self.structures[left], self.structures[right])
            sides = {"": (), "left": (left,), "right": (right,), "either": (left, right)}
            in_place = sides[made.rule.in_place]
            self.known[key] = self.emit(
                "add", made.structure, (left, right), flops=made.cost, scratch=made.scratch, in_place=in_place
            )
        return self.known[key]

    def dense(self, register: int, /) -> int:
        """Return a register with the same matrix written out."""
        return register if isinstance(self.structures[register], Dense) else self.expand(register)

    def expand(self, register: int, /) -> int:
        """Return a new register with the same matrix written out."""
        found = self.structures[register]
        return self.emit("expand", Dense(found.rows, found.columns), (register,), flops=expand_cost(found))

    def blocks(self, register: int, points: int, /) -> int:
        """Return a register with the blocks of a block-diagonal matrix at so many points, one after the other."""
        found = self.structures[register]
        return self.emit("blocks", blocks(found, points), (register,), mode=str(points), flops=expand_cost(found))

    def drop(self, needed: set[int]) -> None:
        """Drop the steps whose results nothing needs."""
        for step in reversed(self.steps):
            if step.result in needed:
                needed.update(step.operands)
        self.steps = [step for step in self.steps if step.result in needed]
