"""The nodes of a plan: what is formed from what, in which structure, at which cost."""

from typing import Literal, NamedTuple

from jacchain.algebra.structure import Structure

Mode = Literal["given", "tangent", "adjoint"]


class Local(NamedTuple):
    """The local Jacobian of a link: given by the link, or accumulated by one tangent a column or one adjoint a row."""

    link: int
    mode: Mode
    structure: Structure
    flops: int


class Multiply(NamedTuple):
    """The product of two earlier nodes."""

    left: int
    right: int
    structure: Structure
    flops: int


class Tangent(NamedTuple):
    """A link applied to the columns of an earlier node, without forming its local Jacobian."""

    link: int
    right: int
    structure: Structure
    flops: int


class Adjoint(NamedTuple):
    """A link applied to the rows of an earlier node, without forming its local Jacobian."""

    left: int
    link: int
    structure: Structure
    flops: int


class Add(NamedTuple):
    """The sum of two earlier nodes: two paths between the same vertices. Only writing out A⊗B takes multiplications."""

    left: int
    right: int
    structure: Structure
    flops: int = 0


class Curvature(NamedTuple):
    """The curvature r·∂²f of a vertex with respect to two of its operands, given its adjoint r, a row."""

    curve: int
    adjoint: int
    structure: Structure
    flops: int = 0


class Transpose(NamedTuple):
    """The transpose of an earlier node: a mirrored half, or a local Jacobian on its way back."""

    operand: int
    structure: Structure
    flops: int = 0


class Congruence(NamedTuple):
    """PᵀCP for a symmetric C: `middle` is C, `factor` is P; one half is computed, the other is its mirror image."""

    middle: int
    factor: int
    structure: Structure
    flops: int


Node = Local | Multiply | Tangent | Adjoint
GraphNode = Node | Add
"""The nodes of a plan for a branching graph, where paths meet and are added."""


class Seed(NamedTuple):
    """A given vector, as a column: the direction of an input, by number."""

    source: int
    structure: Structure
    flops: int = 0


class Bend(NamedTuple):
    """(r·∂²f) v as a row, without forming the curvature where that takes less; `is_mirrored` is for its transpose."""

    curve: int
    adjoint: int
    tangent: int
    is_mirrored: bool
    structure: Structure
    flops: int = 0


SecondNode = GraphNode | Curvature | Transpose | Congruence | Seed | Bend
"""The nodes of a plan of second order."""


def operands(node: Node, /) -> tuple[int, ...]:
    """Return the indices of the nodes that a node reads."""
    match node:
        case Local():
            return ()
        case Multiply():
            return node.left, node.right
        case Tangent():
            return (node.right,)
        case Adjoint():
            return (node.left,)
