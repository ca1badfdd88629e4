"""The nodes of a plan for the Hessian of a chain: products of local Jacobians, and tensors made with them."""

from typing import NamedTuple, assert_never

from jacchain.planning.node import Local, Multiply
from jacchain.planning.second.chains.tensor import TensorStructure


class Elemental(NamedTuple):
    """The second derivative F″ of a link, which is given."""

    link: int
    structure: TensorStructure
    flops: int = 0


class Zero(NamedTuple):
    """The second derivative of a chain of which every link is linear."""

    structure: TensorStructure
    flops: int = 0


class Lift(NamedTuple):
    """J·H: a Jacobian applied to the output of a tensor."""

    left: int
    right: int
    structure: TensorStructure
    flops: int


class Pull(NamedTuple):
    """H[J, ·] or H[·, J]: an arm of a tensor, 0 or 1, multiplied by a Jacobian, so that it ends further down."""

    left: int
    right: int
    arm: int
    structure: TensorStructure
    flops: int


class Sum(NamedTuple):
    """The sum of two tensors of the same vertices, which takes no multiplications."""

    left: int
    right: int
    structure: TensorStructure
    flops: int = 0


TensorNode = Elemental | Zero | Lift | Pull | Sum
ChainNode = Local | Multiply | TensorNode
"""The nodes of a plan for the Hessian of a chain."""


def chain_operands(node: ChainNode, /) -> tuple[int, ...]:
    """Return the indices of the nodes that a node reads.

    Examples
    --------
    >>> chain_operands(Pull(3, 0, 1, TensorStructure(2, 3, 3), 18))
    (3, 0)
    """
    match node:
        case Local() | Elemental() | Zero():
            return ()
        case Multiply() | Lift() | Pull() | Sum():
            return node.left, node.right
        case _:
            assert_never(node)
