"""One step of a repetition, bound to buffers of its own: its value, or its products with tangents or adjoints."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, Literal, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array, Calls, Kernels, run
from jacchain.execution.backend import home_of
from jacchain.execution.fusion import fused
from jacchain.execution.graph.bind import GraphBinding
from jacchain.execution.graph.lower import Place, Request, lower_graph
from jacchain.execution.program import Program
from jacchain.model.array_protocol import apply, is_overloaded
from jacchain.model.displace import Displace
from jacchain.model.expression import Expression, differentiable, evaluated
from jacchain.model.trace import trace
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.planner import plan_graph
from jacchain.planning.graph import Graph

Direction = Literal["tangents", "adjoints"]


@final
class StepProgram(NamedTuple):
    """A planned and lowered step.

    Attributes
    ----------
    expression : Expression
        Its arguments are seeds, if there are any, and then those of the step.
    program : Program
        Its results are those derivatives that are not zero, and then the values.
    kept : tuple of bool
        Which derivatives are not zero everywhere.
    flops : int
        Multiplications of its products.
    """

    expression: Expression
    program: Program
    kept: tuple[bool, ...]
    flops: int


def replayed(expression: Expression, inputs: Sequence[Any], /) -> list[Any]:
    """Return the results of an expression on overloaded values."""
    found: list[Any] = [node.constant for node in expression.nodes]
    for k, value in zip(expression.inputs, inputs, strict=True):
        found[k] = value
    for k, (operation, operands, *_) in enumerate(expression.nodes):
        if operation is not None:
            xs = tuple(found[i] for i in operands)
            found[k] = apply(operation, *xs) if is_overloaded(xs) else evaluated(operation, xs)
    return [found[k] for k in expression.outputs]


@lru_cache(maxsize=8)
def value_program(step: Expression, /) -> StepProgram:
    """Return the program of the step's values alone."""
    request = Request((), (), step.outputs)
    return StepProgram(step, lower_graph(request, step.nodes, step.inputs, (), itemsize=step.dtype.itemsize), (), 0)


@lru_cache(maxsize=8)
def step_program(step: Expression, active: tuple[bool, ...], direction: Direction, count: int, /) -> StepProgram:
    """Return the program of the step's Jacobian times tangents, with its values, or of adjoints times it.

    Parameters
    ----------
    step : Expression
    active : tuple of bool
        The inputs that are differentiated with respect to.
    direction : {"tangents", "adjoints"}
    count : int
        How many at once.

    Returns
    -------
    StepProgram
        Seeds are, for tangents, a matrix of size × count for each active input, and the derivatives those of every
        output; for adjoints, a matrix of count × size for each output, and the derivatives those by active inputs.
    """
    examples = [np.zeros(step.nodes[k].shape, step.dtype) for k in step.inputs]
    if direction == "tangents":
        moving = [x for x, moves in zip(examples, active, strict=True) if moves]
        matrices = [np.zeros((*x.shape, count), step.dtype) for x in moving]
        expression = trace(_along(step, active), np.zeros(count), matrices, examples)
        return _planned(expression, expression.inputs[:1], expression.outputs)
    weights = [np.zeros((count, prod(step.nodes[k].shape)), step.dtype) for k in step.outputs]
    expression = trace(_weighted(step), weights, examples)
    inputs = expression.inputs[len(weights) :]
    return _planned(expression, [node for node, moves in zip(inputs, active, strict=True) if moves], ())


def _along(step: Expression, active: tuple[bool, ...]) -> Callable[..., Any]:
    """Return t ↦ step(x + V t), whose Jacobian at t = 0 is that of the step times V."""

    def along(t: Any, matrices: Any, inputs: Any) -> Any:
        left = iter(matrices)
        moved = [apply(Displace(), x, t, next(left)) if moves else x for x, moves in zip(inputs, active, strict=True)]
        return replayed(step, moved)

    return along


def _weighted(step: Expression) -> Callable[..., Any]:
    """Return x ↦ U step(x), whose Jacobian is U times that of the step."""

    def weighted(weights: Any, inputs: Any) -> Any:
        values = replayed(step, inputs)
        terms = [u @ np.reshape(y, -1) for u, y in zip(weights, values, strict=True)]
        return sum(terms[1:], start=terms[0])

    return weighted


def _planned(expression: Expression, wanted: Sequence[int], values: Sequence[int]) -> StepProgram:
    """Return the program of the derivatives of the results with respect to some inputs, planned as one graph."""
    outputs = expression.outputs
    found = differentiable(expression, wanted, outputs)
    itemsize = expression.dtype.itemsize
    plan = _cheapest(found.graph, itemsize)
    root_of = dict(zip(found.graph.requests, plan.roots, strict=True))
    roots = [root_of[output, source] for output in outputs for source in wanted]
    made = tuple(root for root in roots if root is not None)
    request = Request(plan.nodes, made, tuple(values))
    places = [Place(*place) for place in found.places]
    program = lower_graph(request, expression.nodes, expression.inputs, places, itemsize=itemsize)
    return StepProgram(expression, program, tuple(root is not None for root in roots), plan.flops)


def _cheapest(graph: Graph, itemsize: int) -> GraphPlan:
    """Return the cheapest of the plans that take no search; the same whenever it is asked for."""

    def planned(planner: str) -> GraphPlan:
        return plan_graph(graph, planner=planner, unit_free=True, itemsize=itemsize)

    first = planned("reverse")
    costs = {name: baseline.flops for name, baseline in first.baselines.items() if baseline.flops is not None}
    best = min(costs, key=lambda name: costs[name], default="reverse")
    return planned(best) if costs.get(best, first.flops) < first.flops else first


@final
class BoundStep:
    """A step's program on buffers of its own: write `inputs`, run, read `derivatives` and `values`.

    Attributes
    ----------
    inputs : list of array or None
        The buffers of the expression's arguments, in order; None for one that is not used. They must be written
        before every run, as the run may work on them.
    derivatives : list of array or None
        Where every run leaves them, as matrices; None for one that is zero everywhere.
    values : list of array
    """

    __slots__ = ("_calls", "derivatives", "inputs", "values")

    def __init__(self, step: StepProgram, kernels: Kernels, /) -> None:
        expression, program = step.expression, step.program
        backend = home_of([kernels.xp.empty(0)]).with_kernels(kernels, kernels)  # the one that is active
        binding = GraphBinding(program, expression.nodes, expression.inputs, expression.dtype, backend)
        result = backend.workspace(program.result_bytes, expression.dtype)
        tail = binding.tail(result)
        rest = fused(kernels, tuple(call for group in tail for call in group.calls))
        self._calls: Calls = (*binding.head, *rest)
        self.inputs: list[Array] = [binding.points.get(k) for k in range(len(expression.inputs))]
        left = {group.instruction.result: group.arrays for group in (*binding.groups, *tail)}
        # what is constant is no group's, but the binding's
        made = iter([(left.get(k) or binding.values[k].arrays)[0] for k in program.results])
        self.derivatives: list[Array] = [next(made) if kept else None for kept in step.kept]
        shapes = [expression.nodes[k].shape for k in expression.outputs]
        self.values: list[Array] = [y.reshape(shape) for y, shape in zip(made, shapes, strict=False)]

    def run(self) -> None:
        """Work on what the inputs hold."""
        run(self._calls)
