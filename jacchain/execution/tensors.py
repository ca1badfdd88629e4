"""Plans for the Hessian of a chain, run on NumPy arrays: the reference of what they mean, step by step."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jacchain.algebra.structure import Dense, Diagonal, Negation
from jacchain.errors import DtypeError, OptionError, SizeError
from jacchain.planning.link import Link
from jacchain.planning.node import Local, Multiply
from jacchain.planning.second.chains.chain_plan import ChainHessianPlan
from jacchain.planning.second.chains.node import ChainNode, Elemental, Lift, Pull, Sum, Zero, chain_operands
from jacchain.planning.second.chains.tensor import DENSE

Array = NDArray[np.floating[Any]]

NEW: Final = "z"
"""The letter of the axis that a product brings."""


@final
class Evaluation(NamedTuple):
    """The tensor d_n × d_0 × d_0, and the multiplications that were made."""

    tensor: Array
    flops: int


def evaluate(plan: ChainHessianPlan, jacobians: Sequence[ArrayLike], tensors: Sequence[ArrayLike], /) -> Array:
    """Return the second derivative of a chain by a plan; see `evaluation`.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> evaluate(plan([1, 1, 1], order=2), [[[3.0]], [[5.0]]], [[[[2.0]]], [[[7.0]]]])  # 5·2 + 7·3·3
    array([[[73.]]])
    """
    return evaluation(plan, jacobians, tensors).tensor


def evaluation(plan: ChainHessianPlan, jacobians: Sequence[ArrayLike], tensors: Sequence[ArrayLike], /) -> Evaluation:
    """Return the second derivative of a chain by a plan, step by step, and count.

    What no later step reads is given back, so that the arrays made here take no more than the plan's peak, but for
    small ones within a step; those given are held by the caller. Nothing is written to them, and the tensor shares no
    memory with them.

    Parameters
    ----------
    plan : ChainHessianPlan
    jacobians : sequence of array
        For each link J_k of d_k × d_{k-1}, which is what the link's structure says: the identity, zero off the
        diagonal.
    tensors : sequence of array
        For each link F″_k of d_k × d_{k-1} × d_{k-1}, of a diagonal one zero off the diagonal; of a linear one nothing
        is read. Each is symmetric in its last two axes, unless the plan is not. Single precision stays.

    Raises
    ------
    SizeError, OptionError, DtypeError
        Arrays that do not fit the chain, are not what its structures say, not symmetric, or no real numbers.
    """
    run, nodes = _Run(plan, jacobians, tensors), plan.nodes
    last = {operand: k for k, node in enumerate(nodes) for operand in chain_operands(node)}
    for k, node in enumerate(nodes):
        run.made[k] = run.step(node)
        for operand in {*chain_operands(node)}:
            if last[operand] == k:
                del run.made[operand]
    tensor = _spread(run.made.pop(len(nodes) - 1), _axes(nodes[-1]), DENSE, _sizes(nodes[-1]))
    return Evaluation(tensor.copy() if isinstance(nodes[-1], Elemental) else tensor, run.flops)


@final
class _Run:
    """Results so far, in the storage of their structures, and multiplications."""

    def __init__(self, plan: ChainHessianPlan, jacobians: Sequence[ArrayLike], tensors: Sequence[ArrayLike]) -> None:
        links = plan.chain.links
        if (len(jacobians), len(tensors)) != (len(links), len(links)):
            raise SizeError(
                f"{len(jacobians)} jacobians and {len(tensors)} tensors for {len(links)} links", "give one for each"
            )
        self.plan, self.flops = plan, 0
        self.jacobians = [_jacobian(k + 1, link, jacobians[k]) for k, link in enumerate(links)]
        self.tensors = tensors
        self.made: dict[int, Array] = {}

    def step(self, node: ChainNode) -> Array:
        """Return the result of a node, and count its multiplications."""
        nodes, made = self.plan.nodes, self.made
        match node:
            case Local(link):
                return self.jacobians[link]
            case Multiply(left, right):
                return self._multiply(nodes[left], nodes[right], made[left], made[right])
            case Elemental(link):
                return _tensor(link + 1, self.plan.chain.links[link], self.tensors[link], self.plan.symmetric)
            case Zero():
                return np.zeros(_sizes(node), np.result_type(*self.jacobians))
            case Lift(left, right):
                return self._applied(node, nodes[left], made[left], nodes[right], made[right], 0)
            case Pull(left, right, arm):
                return self._applied(node, nodes[right], made[right], nodes[left], made[left], 1 + arm)
            case Sum(left, right):
                one, two = (_spread(made[k], _axes(nodes[k]), _axes(node), _sizes(node)) for k in (left, right))
                return one + two

    def _multiply(self, upper: ChainNode, lower: ChainNode, left: Array, right: Array) -> Array:
        one, two = upper.structure, lower.structure
        if isinstance(one, Dense) and isinstance(two, Dense):
            self.flops += left.size * right.shape[1]
            return left @ right
        if isinstance(one, Dense):
            return left * right if left.ndim == right.ndim == 0 else self._scaled(left, right, "ab,b->ab")
        if isinstance(two, Dense):
            return self._scaled(right, left, "ab,a->ab")
        return self._scaled(left, right, "a,a->a") if left.ndim == right.ndim == 1 else left * right

    def _scaled(self, array: Array, by: Array, subscripts: str) -> Array:
        """Return an array times a diagonal, or times a sign, which takes no multiplications."""
        if by.ndim == 0:
            return array * by
        self.flops += array.size
        return np.asarray(np.einsum(subscripts, array, by))

    def _applied(
        self, node: ChainNode, by: ChainNode, jacobian: Array, of: ChainNode, tensor: Array, axis: int
    ) -> Array:
        """Return a tensor with one of its axes multiplied by a Jacobian: rows for axis 0, arms for axes 1 and 2."""
        axes, predicted = _axes(of), _axes(node)
        is_half = predicted == DENSE and _is_symmetric(node)
        if jacobian.ndim == 0:
            return tensor * jacobian
        if isinstance(by.structure, Diagonal):
            return self._contract([axes[axis], _letters(axes)], [jacobian, tensor], _letters(axes), mirrored=is_half)
        result = axes[:axis] + NEW + axes[axis + 1 :]
        matrix = NEW + axes[axis] if axis == 0 else axes[axis] + NEW
        assert _named(result) == predicted, "the structure is the one that was planned"
        if axes == DENSE:
            return self._pushed(jacobian, tensor, axis, mirrored=is_half)
        return self._contract([matrix, _letters(axes)], [jacobian, tensor], _letters(result), mirrored=is_half)

    def _pushed(self, jacobian: Array, tensor: Array, axis: int, *, mirrored: bool) -> Array:
        """Return a dense tensor with one of its axes multiplied by a dense Jacobian, without copies of either."""
        by = jacobian if axis == 0 else jacobian.T
        if not mirrored:
            self.flops += by.shape[0] * tensor.size
            match axis:
                case 0:
                    return (by @ tensor.reshape(len(tensor), -1)).reshape(len(by), *tensor.shape[1:])
                case 1:
                    return np.asarray(np.matmul(by, tensor))
                case _:
                    return np.asarray(np.matmul(tensor, jacobian))
        shape = [*tensor.shape]
        shape[axis] = len(by)
        found = np.empty(shape, np.result_type(jacobian, tensor))
        for b in range(shape[1]):
            match axis:
                case 0:
                    row = by @ tensor[:, b, b:]
                case 1:
                    row = np.matmul(by[b], tensor[:, :, b:])
                case _:
                    row = tensor[:, b] @ jacobian[:, b:]
            found[:, b, b:] = found[:, b:, b] = row
            self.flops += row.size * tensor.shape[axis]
        return found

    def _contract(self, inputs: list[str], arrays: list[Array], output: str, *, mirrored: bool) -> Array:
        """Return a sum of products over all letters that are not in the output, counting one for each product."""
        sizes = {letter: size for of, array in zip(inputs, arrays, strict=True) for letter, size in _pairs(of, array)}
        if not mirrored:
            self.flops += prod(sizes.values())
            return np.asarray(np.einsum(f"{','.join(inputs)}->{output}", *arrays))
        found = np.empty([sizes[letter] for letter in output], np.result_type(*arrays))
        rest = prod(size for letter, size in sizes.items() if letter not in output[1:])
        for b in range(sizes[output[1]]):
            cut = {output[1]: slice(b, b + 1), output[2]: slice(b, None)}
            parts = [array[_index(of, cut)] for of, array in zip(inputs, arrays, strict=True)]
            row = np.einsum(f"{','.join(inputs)}->{output}", *parts)[:, 0]
            found[:, b, b:] = found[:, b:, b] = row
            self.flops += rest * row.shape[1]
        return found


def _pairs(letters: str, array: Array) -> Iterator[tuple[str, int]]:
    return zip(letters, array.shape, strict=True)


def _index(letters: str, cut: Mapping[str, slice]) -> tuple[slice, ...]:
    return tuple(cut.get(letter, slice(None)) for letter in letters)


def _letters(axes: str) -> str:
    """Return the letters of the axes that are stored."""
    return "".join(dict.fromkeys(axes))


def _named(axes: str) -> str:
    """Return axes with their letters in the order of the alphabet."""
    names = dict(zip(_letters(axes), DENSE, strict=False))
    return "".join(names[letter] for letter in axes)


def _axes(node: ChainNode) -> str:
    assert not isinstance(node, Local | Multiply)
    return DENSE if isinstance(node, Zero) else node.structure.axes


def _is_symmetric(node: ChainNode) -> bool:
    assert not isinstance(node, Local | Multiply)
    return node.structure.is_symmetric


def _sizes(node: ChainNode) -> tuple[int, int, int]:
    assert not isinstance(node, Local | Multiply)
    return node.structure[:3]


def _spread(array: Array, axes: str, wanted: str, sizes: tuple[int, int, int]) -> Array:
    """Return an array in the storage of axes that hold more."""
    if axes == wanted:
        return array
    found = np.zeros(sizes, array.dtype)
    np.einsum(f"{axes}->{_letters(axes)}", found)[...] = array  # a view of the entries that may not be zero
    return np.asarray(np.einsum(f"{wanted}->{_letters(wanted)}", found))


def _jacobian(number: int, link: Link, given: ArrayLike) -> Array:
    """Return the local Jacobian of a link as it is stored: a matrix, its diagonal, or a sign."""
    array = _numbers(f"the Jacobian of link {number}", given, (link.outputs, link.inputs))
    if isinstance(link.local, Dense):
        return array
    diagonal = np.diagonal(array)
    sign = np.asarray(-1.0 if isinstance(link.local, Negation) else 1.0, array.dtype)
    is_unit = not isinstance(link.local, Diagonal)
    if np.count_nonzero(array) != np.count_nonzero(diagonal) or (is_unit and (diagonal != sign).any()):
        raise OptionError(
            f"the Jacobian of link {number} is not {link.local}",
            "give the one that the plan's link has, or plan the link as dense",
        )
    return sign if is_unit else diagonal


def _tensor(number: int, link: Link, given: ArrayLike, symmetric: bool) -> Array:
    """Return the second derivative of a link as it is stored."""
    array = _numbers(f"the tensor of link {number}", given, (link.outputs, link.inputs, link.inputs))
    if symmetric and not all(np.array_equal(matrix, matrix.T, equal_nan=True) for matrix in array):
        raise OptionError(
            f"the tensor of link {number} is not symmetric in its last two axes",
            "give a symmetric one, or plan with symmetric=False",
        )
    if isinstance(link.local, Dense):
        return array
    diagonal = np.asarray(np.einsum("aaa->a", array))
    if np.count_nonzero(array) != np.count_nonzero(diagonal):
        raise OptionError(
            f"the tensor of link {number} is not zero off its diagonal, as the link's {link.local} Jacobian says",
            "give the second derivative of an elementwise map, or plan the link as dense",
        )
    return diagonal


def _numbers(what: str, given: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return an array of real numbers, single precision as it is and whole numbers as floating ones."""
    try:
        array = np.asarray(given)
    except ValueError:  # rows of different lengths
        raise SizeError(f"{what} is no array", f"give an array of shape {shape}") from None
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"{what} has dtype {array.dtype}", "give real numbers, float32 or float64")
    if array.shape != shape:
        raise SizeError(f"{what} has shape {array.shape}", f"give an array of shape {shape}")
    return array if array.dtype == np.float32 else np.asarray(array, np.float64)
