"""Products of a plain function's Jacobian with tangents and adjoints."""

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, Final, NamedTuple, final
from weakref import WeakKeyDictionary, ref

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import OptionError, SizeError
from jacchain.execution.backend import Backend, home_of
from jacchain.execution.operation import Shape
from jacchain.functions.derivative import FunctionDerivative
from jacchain.functions.options import FunctionOptions
from jacchain.functions.surroundings import Surroundings, surroundings
from jacchain.model.array_protocol import apply
from jacchain.model.displace import Displace
from jacchain.model.layer import as_point, as_point_beside
from jacchain.model.trace import trace
from jacchain.model.tree import LEAF, Tree, flatten

Function = Callable[..., Any]


@final
class _Along:
    """t ↦ f(x + V t), whose Jacobian at t = 0 is J V. Holds f weakly, so that what was made for f goes with f."""

    def __init__(self, function: Function, /) -> None:
        self.function = _held(function)

    def __call__(self, t: Any, tangents: Any, arguments: Any) -> Any:
        leaves, tree = flatten(arguments)
        along, _ = flatten(tangents)
        moved = [apply(Displace(), x, t, v) for x, v in zip(leaves, along, strict=True)]
        return self.function()(*tree.unflatten(moved))


@final
class _Weighted:
    """x ↦ U vec(f(x)), whose Jacobian is U J. Holds f weakly."""

    def __init__(self, function: Function, /) -> None:
        self.function = _held(function)

    def __call__(self, adjoints: Any, arguments: Any) -> Any:
        weights, _ = flatten(adjoints)
        values, _ = flatten(self.function()(*arguments))
        terms = [u.reshape(u.shape[0], -1) @ np.reshape(y, -1) for u, y in zip(weights, values, strict=True)]
        return sum(terms[1:], start=terms[0])


def _held(function: Function) -> Callable[[], Any]:
    try:
        return ref(function)
    except TypeError:  # NumPy's own functions live for ever
        return lambda: function


class Made(NamedTuple):
    """What was made for a function, and what it read then besides its arguments."""

    surroundings: Surroundings
    derivatives: dict[FunctionOptions, FunctionDerivative]


Store = WeakKeyDictionary[Function, Made]

_TANGENTS: Final[Store] = WeakKeyDictionary()
_ADJOINTS: Final[Store] = WeakKeyDictionary()
_SHAPES: Final[WeakKeyDictionary[Function, tuple[Surroundings, dict[Any, tuple[Tree, tuple[Shape, ...]]]]]] = (
    WeakKeyDictionary()
)


def function_jvp(function: Function, x: Any, v: Any, /, options: FunctionOptions) -> Any:
    """Return J v of a plain function; see `jacchain.jvp`."""
    arguments, tangents = _as_arguments(x, v, "the tangent v")
    leaves, tree, home = _points(arguments, "x")
    dtype = np.result_type(*(leaf.dtype for leaf in leaves))
    along = _like(tangents, tree, "the tangent v", dtype, home)
    is_single = all(a.shape == b.shape for a, b in zip(along, leaves, strict=True))
    if is_single:
        along = [a[..., None] for a in along]
    count = along[0].shape[-1] if along[0].ndim else 0
    for a, b in zip(along, leaves, strict=True):
        if a.shape != (*b.shape, count):
            raise SizeError(
                f"the tangent v has shape {a.shape}, but x has shape {b.shape}",
                f"give shape {b.shape}, or {(*b.shape, 'p')} for p tangents",
            )
    with home.active():
        start = home.kernels.xp.zeros(count, dtype)
    made = _made(_TANGENTS, function, _Along, options)
    found = made(start, tree.unflatten(along), tree.unflatten(leaves))
    if not is_single:
        return found
    blocks, results = flatten(found)
    return results.unflatten([block.reshape(block.shape[:-1]) for block in blocks])


def function_vjp(function: Function, x: Any, u: Any, /, options: FunctionOptions) -> Any:
    """Return uᵀ J of a plain function; see `jacchain.vjp`."""
    arguments = x if isinstance(x, tuple) else (x,)
    leaves, tree, home = _points(arguments, "x")
    results, shapes = _outputs(function, tree, leaves)
    weights = _like(u, results, "the adjoint u", np.result_type(*(leaf.dtype for leaf in leaves)), home)
    is_single = all(w.shape == shape for w, shape in zip(weights, shapes, strict=True))
    if is_single:
        weights = [w[None] for w in weights]
    count = weights[0].shape[0] if weights[0].ndim else 0
    for w, shape in zip(weights, shapes, strict=True):
        if w.shape != (count, *shape):
            raise SizeError(
                f"the adjoint u has shape {w.shape}, but f(x) has shape {shape}",
                f"give shape {shape}, or {('q', *shape)} for q adjoints",
            )
    made = _made(_ADJOINTS, function, _Weighted, options._replace(argnums=1))
    found = made(results.unflatten(weights), tree.unflatten(leaves))
    if is_single:
        blocks, nesting = flatten(found)
        found = nesting.unflatten([block.reshape(block.shape[1:]) for block in blocks])
    return found if isinstance(x, tuple) else found[0]


def _as_arguments(x: Any, v: Any, what: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return arguments and tangents as tuples: a tuple stands for several arguments, anything else for one."""
    if isinstance(x, tuple) != isinstance(v, tuple):
        raise OptionError(f"x is a {type(x).__name__} and {what} a {type(v).__name__}", "nest both in the same way")
    return (x, v) if isinstance(x, tuple) else ((x,), (v,))


def _points(arguments: tuple[Any, ...], what: str) -> tuple[list[Array], Tree, Backend]:
    """Return the arrays of arguments, how they nest, and where they lie."""
    leaves, tree = flatten(arguments, what)
    if not leaves:
        raise OptionError(f"{what} holds no array", "give one at least to differentiate with respect to")
    home = home_of(leaves)
    dtypes = [as_point(leaf, what).dtype for leaf in leaves if type(leaf) is not float]
    return _arrays(leaves, what, np.result_type(*dtypes) if dtypes else np.dtype(float), home), tree, home


def _arrays(leaves: list[Any], what: str, dtype: "np.dtype[Any]", home: Backend) -> list[Array]:
    """Return checked arrays; a Python number takes on the dtype of the arrays beside it."""
    return [
        home.place(np.asarray(leaf, dtype)) if type(leaf) is float else as_point_beside(leaf, home, what)
        for leaf in leaves
    ]


def _like(nested: Any, tree: Tree, what: str, dtype: "np.dtype[Any]", home: Backend) -> list[Array]:
    """Return the arrays of tangents or adjoints, which nest like what they belong to; for one array a list will do."""
    found, other = ([nested], LEAF) if tree == LEAF else flatten(nested, what)
    if other != tree:
        raise OptionError(f"{what} nests otherwise than what it belongs to", "give arrays nested in the same way")
    return _arrays(found, what, dtype, home)


def _outputs(function: Function, tree: Tree, leaves: Sequence[Array]) -> tuple[Tree, tuple[Shape, ...]]:
    """Return how a function's results nest and their shapes, found by a trace the first time."""
    key = tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    known = _shapes_of(function)
    if key not in known:
        expression = trace(function, *tree.unflatten(list(leaves)))
        known[key] = expression.results, tuple(expression.nodes[k].shape for k in expression.outputs)
    return known[key]


def _shapes_of(function: Function) -> dict[Any, tuple[Tree, tuple[Shape, ...]]]:
    """Return what is known of a function's results, to which more may be added."""
    known = _SHAPES.get(function) if isinstance(function, FunctionType) else None
    if known is None or not known[0].holds():
        around = surroundings(function)
        if around is None:
            return {}
        known = _SHAPES[function] = around, {}
    return known[1]


def _made(
    store: WeakKeyDictionary[Function, Made],
    function: Function,
    kind: Callable[[Function], Function],
    options: FunctionOptions,
) -> FunctionDerivative:
    """Return what was made for a function and options, making it the first time."""
    known = store.get(function) if isinstance(function, FunctionType) else None
    if known is None or not known.surroundings.holds():
        around = surroundings(function)
        if around is None:
            return FunctionDerivative(kind(function), options, "jacobian", with_value=False)
        known = store[function] = Made(around, {})
    if options not in known.derivatives:
        known.derivatives[options] = FunctionDerivative(kind(function), options, "jacobian", with_value=False)
    return known.derivatives[options]
