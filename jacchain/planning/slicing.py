"""Making a Jacobian in slices: some columns of the input, or some rows of the output, at a time."""

from dataclasses import replace
from typing import Literal, NamedTuple, final

from jacchain.algebra.structure import Dense
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link

Axis = Literal["columns", "rows"]


@final
class Slicing(NamedTuple):
    """Slices along one axis, all of one size; the last one is smaller where the sizes do not divide."""

    axis: Axis
    size: int

    def length(self, chain: Chain, /) -> int:
        """Return the size of the whole axis."""
        return chain.sizes[0] if self.axis == "columns" else chain.sizes[-1]

    def count(self, chain: Chain, /) -> int:
        """Return the number of slices.

        Examples
        --------
        >>> Slicing("columns", 4).count(Chain([Link(10, 3)]))
        3
        """
        return -(-self.length(chain) // self.size)


def is_seeded(chain: Chain, axis: Axis, /) -> bool:
    """Whether a slice starts from unit columns or rows; an explicit dense link at that end is cut instead."""
    link = _end(chain, axis)
    return not (link.is_explicit and isinstance(link.local, Dense))


def sliced(chain: Chain, slicing: Slicing, /) -> Chain:
    """Return the chain of one slice.

    Where the link at the sliced end is explicit and dense, it is cut, which costs nothing; else the chain is longer by
    a link of unit columns at the input, or of unit rows at the output.

    Examples
    --------
    >>> print(sliced(Chain([Link(10, 3), Link(3, 20)]), Slicing("rows", 4)))
    10 → 3 → 4
    >>> print(sliced(Chain([Link(10, 3, tangent_cost=5), Link(3, 20)]), Slicing("columns", 4)))
    4 → 10 → 3 → 20
    """
    links, size = list(chain.links), slicing.size
    link = _end(chain, slicing.axis)
    columns = slicing.axis == "columns"
    if is_seeded(chain, slicing.axis):
        seed = Link(size, link.inputs, name="unit columns") if columns else Link(link.outputs, size, name="unit rows")
        return Chain([seed, *links] if columns else [*links, seed])
    inputs, outputs = (size, link.outputs) if columns else (link.inputs, size)
    cut = replace(
        link,
        inputs=inputs,
        outputs=outputs,
        structure=Dense(outputs, inputs),
        tangent_cost=None,
        adjoint_cost=None,
        borrowed=False,
    )
    return Chain([cut, *links[1:]] if columns else [*links[:-1], cut])


def cut_from(chain: Chain, slicing: Slicing, /) -> int:
    """Return the numbers of the whole local Jacobian that slices are cut from, where it does not exist already."""
    link = _end(chain, slicing.axis)
    return 0 if is_seeded(chain, slicing.axis) or link.borrowed else link.inputs * link.outputs


def _end(chain: Chain, axis: Axis) -> Link:
    return chain.links[0] if axis == "columns" else chain.links[-1]
