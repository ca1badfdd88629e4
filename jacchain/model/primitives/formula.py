"""Formulas of elementwise maps, written once: as calls on whole arrays, and as Python source for single numbers."""

import ast
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Final, NamedTuple

from jacchain.algebra.kernels import Array, Arrays, Calls, Kernels
from jacchain.model.layer import constant
from jacchain.model.primitives.scalar_source import PYTHON

OPERATORS: Final[dict[type[ast.AST], str]] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.USub: "negative",
}

SPECIAL: Final = frozenset(
    [
        *("expit", "logit", "log_expit", "erf", "erfc", "erfcx", "erfinv", "erfcinv", "dawsn"),
        *("ndtr", "ndtri", "log_ndtr", "gamma", "gammaln", "psi", "zeta", "betaln", "exp10", "exp1", "expi"),
        *("xlogy", "xlog1py", "entr", "rel_entr", "kl_div", "i0", "i1", "iv", "j0", "j1", "jv"),
    ]
)
"""The functions that come from SciPy; all others are NumPy's."""

LARGE_CHOICE: Final = 1 << 11
"""Numbers from which on a choice by bits is faster than one by a mask; measured, with a mask drawn at random."""

Term = str | float | int
"""What a step takes: a variable by name, a constant as a float, an earlier result by its register."""


class Step(NamedTuple):
    """One function of whole arrays, whose result goes to a register; register 0 is the formula's result."""

    function: str
    terms: tuple[Term, ...]
    register: int


class Steps(NamedTuple):
    """A formula as steps.

    Attributes
    ----------
    steps : tuple of Step
        In order.
    registers : int
        How many registers there are besides the result.
    variables : frozenset of str
        What the formula reads.
    late : frozenset of str
        What is still read after the result is first written, so that the result must not be written over it.
    """

    steps: tuple[Step, ...]
    registers: int
    variables: frozenset[str]
    late: frozenset[str]


class _Node(NamedTuple):
    """A function applied to others; leaves are variables and constants."""

    function: str
    operands: "tuple[_Tree, ...]"


_Tree = _Node | str | float


def _tree(node: ast.AST) -> _Tree:
    match node:
        case ast.Name(name):
            return name
        case ast.Constant(int() | float() as value):
            return float(value)
        case ast.UnaryOp(ast.USub(), operand):
            inner = _tree(operand)
            return -inner if isinstance(inner, float) else _Node("negative", (inner,))
        case ast.BinOp(left, operator, right):
            return _Node(OPERATORS[type(operator)], (_tree(left), _tree(right)))
        case ast.Call(ast.Name(name), operands, []):
            return _Node(name, tuple(map(_tree, operands)))
    raise AssertionError(f"a formula has no {ast.dump(node)}")


@lru_cache(maxsize=1024)
def _parsed(formula: str) -> _Tree:
    return _tree(ast.parse(formula, mode="eval").body)


def _need(tree: _Tree) -> int:
    """Return how many results are alive at once while a tree is evaluated, the most demanding operand first."""
    if not isinstance(tree, _Node):
        return 0
    needs = sorted((_need(operand) for operand in tree.operands if isinstance(operand, _Node)), reverse=True)
    return max((need + held for held, need in enumerate(needs)), default=1)


def _emit(tree: _Tree, register: int, free: int, steps: list[Step]) -> Term:
    """Append the steps that leave a tree's value in a register; those from `free` on may be used."""
    if not isinstance(tree, _Node):
        return tree
    terms: list[Term] = [0 if isinstance(operand, _Node) else operand for operand in tree.operands]
    inner = [(place, operand) for place, operand in enumerate(tree.operands) if isinstance(operand, _Node)]
    is_choice = tree.function == "where"  # its result is written before all is read, so no operand may lie there
    target = None if is_choice else register
    for place, operand in sorted(inner, key=lambda item: -_need(item[1])):
        if target is None:
            target, free = free, free + 1
        terms[place] = _emit(operand, target, free, steps)
        target = None
    if is_choice:
        mask, first, second = terms
        steps.append(Step("mask", (mask,), free))
        steps.append(Step("mingle", (first, second), register))
        steps.append(Step("choose", (first, free), register))
    else:
        steps.append(Step(tree.function, tuple(terms), register))
    return register


@lru_cache(maxsize=1024)
def steps_of(formula: str, /) -> Steps:
    """Return a formula as steps.

    Parameters
    ----------
    formula : str
        In Python's notation, of variables, numbers, ``+ - * /``, and functions by NumPy's or SciPy's names.

    Examples
    --------
    >>> for step in steps_of("1 / (1 + x * x)").steps: print(*step)
    multiply ('x', 'x') 0
    add (1.0, 0) 0
    divide (1.0, 0) 0
    """
    tree, steps = _parsed(formula), list[Step]()
    if not isinstance(tree, _Node):
        steps.append(Step("copy", (tree,), 0))
    _emit(tree, 0, 1, steps)
    written = next(place for place, step in enumerate(steps) if step.register == 0)
    reads = [frozenset(term for term in step.terms if isinstance(term, str)) for step in steps]
    registers = max(step.register for step in steps)
    none: frozenset[str] = frozenset()
    return Steps(tuple(steps), registers, none.union(*reads), none.union(*reads[written + 1 :]))


def leaf(formula: str, /) -> str | float | None:
    """Return the variable or the number that a formula merely is, or None.

    Examples
    --------
    >>> leaf("y"), leaf("-1"), leaf("-y")
    ('y', -1.0, None)
    """
    tree = _parsed(formula)
    return None if isinstance(tree, _Node) else tree


def formula_calls(
    formula: str, kernels: Kernels, variables: Mapping[str, Array], out: Array, scratch: Array, /
) -> Calls:
    """Return the calls that write a formula's value into `out`.

    Parameters
    ----------
    formula : str
        See `steps_of`.
    kernels : Kernels
        What the calls are made of.
    variables : mapping of str to array
        All of the shape of `out`.
    out : array
        The result.
    scratch : array
        A flat array of as many numbers as `out` has, for every register.
    """
    found = steps_of(formula)
    size, shape = out.size, out.shape
    registers = [out, *(scratch[k * size : (k + 1) * size].reshape(shape) for k in range(found.registers))]

    def array(term: Term) -> Array:
        match term:
            case str():
                return variables[term]
            case float():
                return constant(kernels, term, out)
            case int():
                return registers[term]

    def calls(step: Step) -> Calls:
        arrays, target = tuple(map(array, step.terms)), registers[step.register]
        match step.function:
            case "copy":
                return ((kernels.copyto, (target, *arrays)),)
            case "mask" | "mingle" | "choose" as name:
                return _choice(name, kernels, arrays, target)
            case "maximum" | "minimum" as name:  # NumPy deprecates their third positional argument
                return ((partial(getattr(kernels.xp, name), out=target), arrays),)
            case name:
                function = kernels.special(name) if name in SPECIAL else getattr(kernels.xp, name)
                return ((function, (*arrays, target)),)

    return tuple(call for step in found.steps for call in calls(step))


def _choice(name: str, kernels: Kernels, arrays: Arrays, target: Array) -> Calls:
    """Return the calls of one of the three steps of ``where(m, a, b)``.

    Small arrays: b is copied, and a copied over it where a mask says so. Large ones, where that waits at every number
    for the mask: the bits of a, of which those that differ from b are changed where a number of ones says so.
    """
    xp = kernels.xp
    if target.size < LARGE_CHOICE:
        match name, arrays:
            case "mask", (mask,):
                return ((xp.not_equal, (mask, constant(kernels, 0, target), _booleans(target))),)
            case "mingle", (_, second):
                return ((kernels.copyto, (target, second)),)
            case _:
                first, selected = arrays
                return ((partial(xp.copyto, where=_booleans(selected)), (target, first)),)
    bits, result = (a.view(f"i{target.itemsize}") for a in (arrays[-1], target))
    match name, arrays:
        case "mask", (mask,):
            return ((xp.equal, (mask, constant(kernels, 0, target), result)), (xp.negative, (result, result)))
        case "mingle", (first, _):
            return ((xp.bitwise_xor, (first.view(bits.dtype), bits, result)),)
        case _:
            first = arrays[0].view(bits.dtype)
            return ((xp.bitwise_and, (result, bits, result)), (xp.bitwise_xor, (result, first, result)))


def _booleans(register: Array) -> Array:
    """Return the beginning of a register's memory as a mask of its shape."""
    return register.reshape(-1).view(bool)[: register.size].reshape(register.shape)


def python_source(formula: str, names: Mapping[str, str], /) -> str | None:
    """Return the formula as a Python expression of floats, or None where a function has no scalar form.

    The source uses the module `math`. Outside a function's domain it raises ArithmeticError or ValueError where NumPy
    gives NaN or infinity.

    Examples
    --------
    >>> python_source("-x * sin(x)", {"x": "v3"})
    '((-v3) * math.sin(v3))'
    """
    return _source(_parsed(formula), names)


def _source(tree: _Tree, names: Mapping[str, str]) -> str | None:
    match tree:
        case str():
            return names[tree]
        case float():
            return repr(tree) if tree >= 0 else f"({tree!r})"
        case _Node(function, operands):
            template = PYTHON.get(function)
            written = [_source(operand, names) for operand in operands]
            return None if template is None or None in written else template.format(*written)
