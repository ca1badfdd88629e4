"""Repetition of one step along a leading axis."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from math import prod
from typing import Any

import numpy as np

from jacchain.errors import DtypeError, OptionError, SizeError, TraceError
from jacchain.model.array_protocol import Overloaded, apply
from jacchain.model.band import banded
from jacchain.model.expression import Expression
from jacchain.model.scan_layout import Source
from jacchain.model.scan_operation import Scan
from jacchain.model.scan_states import MOST, ScanStates
from jacchain.model.trace import Tracer, trace
from jacchain.model.tree import Tree, flatten
from jacchain.planning.link import as_size

Step = Callable[..., tuple[Any, Any]]


def scan(step: Step, carry: Any, xs: Any = None, /, *parameters: Any, length: int | None = None) -> tuple[Any, Any]:
    """Repeat a step: ``carry, y = step(carry, x, *parameters)`` for every x along the leading axis of xs.

    On arrays, dual numbers and variables of a tape this is a loop. In a function that is traced it is one operation,
    whose step is recorded once, so that ten thousand steps are traced and planned as fast as one. Its Jacobian is
    applied step by step: tangents with the steps, adjoints backward over the states, of which one for each step is
    stored.

    Parameters
    ----------
    step : callable
        Of what is carried, of x (None without xs) and of the parameters; it gives what is carried on, nested and shaped
        as before, and an output, which may be None. What else it uses must not depend on the traced arguments: give
        such values as parameters.
    carry : array, number, or tuple, list or dict of these
    xs : array, or tuple, list or dict of these, optional
        All with the same leading axis. Traced, of floating-point numbers or booleans: a step that selects by an index
        cannot be recorded, so give the selected rows, as in ``table[indices]``.
    *parameters : arrays, or tuples, lists and dicts of these
        The same in every step.
    length : int, optional
        How many steps, where there are no xs.

    Returns
    -------
    carry
        After the last step.
    ys
        The outputs of all steps, stacked along a new leading axis; None where there are none.

    Raises
    ------
    SizeError
        Leading axes that differ, no steps, or a step that changes the shape of what it carries or of its output.
    DtypeError
        Whole numbers as xs, traced.
    OptionError
        Neither xs nor a length, or no function.
    TraceError
        The step gives no pair, or nests what it carries or its output otherwise, or uses traced values that are no
        parameters.

    Examples
    --------
    >>> def step(state, force, rate):
    ...     state = state + rate * (force - state)
    ...     return state, state
    >>> scan(step, 0.0, np.array([1.0, 1.0, 0.0]), 0.5)
    (np.float64(0.375), array([0.5  , 0.75 , 0.375]))
    >>> from jacchain.model.trace import trace
    >>> print(trace(lambda rate: scan(step, 0.0, np.ones(10_000), rate)[0], 0.5))
    %0 = input rate         number
    %1 = reshape %0         (1,)
    %2 = constant           (1,)
    %3 = concatenate %2 %1  (2,)
    %4 = constant           (10000,)
    %5 = states %3 %4       (20001,)
    %6 = scan %3 %4 %5      (10001,)
    %7 = index %6           (1,)
    %8 = reshape %7         number
    return %8
    """
    if not callable(step):
        raise OptionError(f"the step of a scan is {step!r}, no function", "give the function first: scan(step, carry)")
    stepped, tree = ([], None) if xs is None else flatten(xs, "xs")
    count = _length(stepped, length)
    given = [*flatten(carry, "carry")[0], *stepped, *flatten(parameters, "the parameters")[0]]
    if any(isinstance(leaf, Tracer) for leaf in given):
        return _recorded(step, carry, (tree, stepped), parameters, count)
    return _repeated(step, carry, (tree, stepped), parameters, count)


def _repeated(
    step: Step, carry: Any, xs: tuple[Tree | None, list[Any]], parameters: tuple[Any, ...], length: int
) -> tuple[Any, Any]:
    """Return the results of a loop."""
    tree, stepped = xs
    carry_form, y_form = _Form("carry", flatten(carry, "carry")), None
    ys: list[list[Any]] = []
    for t in range(length):
        x = None if tree is None else tree.unflatten([leaf[t] for leaf in stepped])
        carry, y = _pair(step, step(carry, x, *parameters))
        carry_form.leaves(step, carry)
        if t == 0:
            y_form = None if y is None else _Form("its output", flatten(y, "the output of a step"))
        if y_form is not None:
            ys.append(y_form.leaves(step, y))
        elif y is not None:
            raise TraceError(f"{_name(step)} gives an output in step {t}, and none before", "give one in all steps")
    if y_form is None:
        return carry, None
    return carry, y_form.tree.unflatten([np.stack(column) for column in zip(*ys, strict=True)])


class _Form:
    """The nesting and the shapes that something has in all steps."""

    def __init__(self, what: str, first: tuple[list[Any], Tree], /) -> None:
        leaves, self.tree = first
        self._what, self._shapes = what, [np.shape(leaf) for leaf in leaves]

    def leaves(self, step: Step, nested: Any, /) -> list[Any]:
        """Return the arrays of what a step gives, or refuse it where it differs from before."""
        found = self.tree.leaves(nested)
        if found is None:
            raise TraceError(f"{_name(step)} nests {self._what} otherwise than before", "nest it alike in all steps")
        for k, (leaf, shape) in enumerate(zip(found, self._shapes, strict=True)):
            if isinstance(leaf, Tracer):
                raise TraceError(
                    f"{_name(step)} uses a traced value that scan was not given", "give it to scan as a parameter"
                )
            if np.shape(leaf) != shape:
                place = self.tree.places(self._what)[k]
                raise SizeError(
                    f"{_name(step)} is given {place} of shape {shape} and gives {np.shape(leaf)}"
                    if self._what == "carry"
                    else f"{_name(step)} gives {place} of shape {np.shape(leaf)}, and of {shape} before",
                    "keep the shape in all steps",
                )
        return found


def _length(stepped: Sequence[Any], length: int | None) -> int:
    if not stepped and length is None:
        raise OptionError("a scan of neither xs nor a length", "give xs, or length=")
    shapes = [np.shape(leaf) for leaf in stepped]
    counts = set() if length is None else {as_size(length, "the number of steps")}
    found = counts | {shape[0] if shape else 0 for shape in shapes}
    if len(found) != 1 or not all(shapes):
        raise SizeError(
            f"xs of shapes {', '.join(map(str, shapes))}" + ("" if length is None else f" and length {length}"),
            "give arrays with one leading axis in common",
        )
    return as_size(found.pop(), "the number of steps")


def _pair(step: Step, found: Any) -> tuple[Any, Any]:
    if not isinstance(found, tuple) or len(found) != 2:
        what = f"{_name(step)} gives {type(found).__name__}, not a pair"
        raise TraceError(what, "return what is carried on, and an output")
    return found


def _name(step: Step) -> str:
    return getattr(step, "__name__", "the step")


def _check_numbers(tree: Tree | None, stepped: Sequence[Any]) -> None:
    """Refuse whole numbers, which the loop gives the step as they are, and a trace as floats without a value."""
    for place, leaf in zip([] if tree is None else tree.places("xs"), stepped, strict=True):
        if not isinstance(leaf, Overloaded) and np.asarray(leaf).dtype.kind in "iu":
            raise DtypeError(
                f"{place} holds whole numbers, and a traced step gets floats, which are no indices",
                "convert it, xs.astype(float), to calculate with it; in place of indices give what they would select",
            )


def _recorded(
    step: Step, carry: Any, xs: tuple[Tree | None, list[Any]], parameters: tuple[Any, ...], length: int
) -> tuple[Any, Any]:
    """Return the results of a scan as one operation in a trace."""
    tree, stepped = xs
    _check_numbers(tree, stepped)
    carried, carry_tree = flatten(carry, "carry")
    constants, parameter_tree = flatten(parameters, "the parameters")
    first: Any = next(leaf for leaf in (*carried, *stepped, *constants) if isinstance(leaf, Tracer))
    shapes = [*map(np.shape, carried), *(np.shape(leaf)[1:] for leaf in stepped), *map(np.shape, constants)]
    examples = [np.zeros(shape, first.dtype) for shape in shapes]
    counts = len(carried), len(carried) + len(stepped)
    expression = trace(
        _flat(step, tree),
        carry_tree.unflatten(examples[: counts[0]]),
        examples[counts[0] : counts[1]],
        parameter_tree.unflatten(examples[counts[1] :]),
    )
    _check_carry(expression, carry_tree, shapes[: counts[0]])
    leaves = [*carried, *stepped, *constants]
    sources = _sources(leaves, shapes, counts, length)
    operands = [
        [np.reshape(leaf, -1) for leaf, source in zip(leaves, sources, strict=True) if source.is_active is is_active]
        for is_active in (True, False)
    ]
    joined = [np.concatenate(group) for group in operands if group]
    operation = Scan(expression, length, sources, len(carried))
    if operation.layout.stored <= MOST and banded(expression, operation.layout.active) is not None:
        states = apply(ScanStates(expression, operation.layout), *joined)
        value = apply(replace(operation, is_stored=True), *joined, states)
    else:
        value = apply(operation, *joined)
    return _unpacked(value, expression, carry_tree, length)


def _flat(step: Step, tree: Tree | None) -> Callable[..., Any]:
    """Return the step of what is carried, the arrays of x and the parameters."""

    @wraps(step)
    def flat(carry: Any, x: Any, parameters: Any) -> Any:
        new, y = _pair(step, step(carry, None if tree is None else tree.unflatten(x), *parameters))
        return new, () if y is None else y

    del flat.__wrapped__  # its signature is not the step's
    return flat


def _check_carry(expression: Expression, tree: Tree, shapes: Sequence[Any]) -> None:
    new = expression.results.children[0]
    if new != tree:
        raise TraceError(f"{expression.name} nests what it carries otherwise than before", "give it back as it came")
    places = tree.places("carry")
    for place, node, shape in zip(places, expression.outputs, shapes, strict=False):
        if expression.nodes[node].shape != shape:
            raise SizeError(
                f"{expression.name} is given {place} of shape {shape} and gives {expression.nodes[node].shape}",
                "keep the shape of what is carried",
            )


def _sources(leaves: Sequence[Any], shapes: Sequence[Any], counts: tuple[int, int], length: int) -> tuple[Source, ...]:
    """Return where each input of the step lies: what is carried or depends on the trace's arguments, or the rest."""
    found, starts = [], {True: 0, False: 0}
    for k, (leaf, shape) in enumerate(zip(leaves, shapes, strict=True)):
        is_active = k < counts[0] or isinstance(leaf, Overloaded)
        is_stepped = counts[0] <= k < counts[1]
        found.append(Source(is_active, starts[is_active], shape, is_stepped))
        starts[is_active] += prod(shape) * (length if is_stepped else 1)
    return tuple(found)


def _unpacked(value: Any, expression: Expression, carry: Tree, length: int) -> tuple[Any, Any]:
    """Return what is carried in the end and the outputs of all steps, nested, out of the flat value."""
    parts, start = [], 0
    for k, node in enumerate(expression.outputs):
        own = expression.nodes[node].shape
        shape = own if k < carry.count else (length, *own)
        parts.append(np.reshape(value[start : start + prod(shape)], shape))
        start += prod(shape)
    nesting = expression.results.children[1]
    ys = None if nesting.kind is tuple and not nesting.children else nesting.unflatten(parts[carry.count :])
    return carry.unflatten(parts[: carry.count]), ys
