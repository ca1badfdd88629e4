"""The straight-line program of a function's values and derivatives, number by number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from jacchain.functions.scalar.scalarise import ScalarExpression
from jacchain.functions.scalar.steps import CONSTANT, INPUT, ScalarStep, StepWriter
from jacchain.functions.scalar.tidied import ScalarDraft, tidied
from jacchain.model.expression import Differentiable
from jacchain.model.primitives.elementwise import ElementwisePrimitive
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.problem import UNIT
from jacchain.planning.node import Add, Local, Multiply

SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


@final
@dataclass(frozen=True, slots=True)
class ScalarProgram:
    """Steps in order, each a function of earlier ones, and which of them are the results.

    Attributes
    ----------
    steps : tuple of ScalarStep
    inputs : int
        How many numbers go in; those that nothing needs have no step.
    results : tuple of int
        The steps of the numbers that come out, in order; some may be constants or inputs, or the same.

    Examples
    --------
    >>> from jacchain.functions.scalar.steps import ScalarStep
    >>> x, sine, product = ScalarStep("input", (), 0), ScalarStep("sin", (0,)), ScalarStep("multiply", (0, 1))
    >>> print(ScalarProgram((x, sine, product), 1, (2,)))
    v1 = sin(x0)
    v2 = x0 * v1
    return v2
    """

    steps: tuple[ScalarStep, ...]
    inputs: int
    results: tuple[int, ...]

    @property
    def operations(self) -> int:
        """How many steps compute something."""
        return sum(step.function not in (INPUT, CONSTANT) for step in self.steps)

    @property
    def multiplications(self) -> int:
        """How many steps multiply or divide, those of values and local derivatives included."""
        return sum(step.function in ("multiply", "divide") for step in self.steps)

    def __str__(self) -> str:
        names = self.names()
        lines = [
            f"{names[k]} = {_text(step, names)}"
            for k, step in enumerate(self.steps)
            if step.function not in (INPUT, CONSTANT)
        ]
        return "\n".join([*lines, f"return {', '.join(names[k] for k in self.results)}"])

    def names(self) -> list[str]:
        """Return what listings call each step; constants are called by their value."""
        return [_name(k, step) for k, step in enumerate(self.steps)]


def _name(k: int, step: ScalarStep) -> str:
    match step.function:
        case "input":
            return f"x{step.number:.0f}"
        case "constant":
            return f"{step.number:.6g}"
        case _:
            return f"v{k}"


def _text(step: ScalarStep, names: Sequence[str]) -> str:
    operands = [names[k] for k in step.operands]
    if step.function in SIGNS:
        return f" {SIGNS[step.function]} ".join(operands)
    return f"-{operands[0]}" if step.function == "negative" else f"{step.function}({', '.join(operands)})"


def scalar_program(
    scalar: ScalarExpression,
    found: Differentiable,
    plan: GraphPlan,
    /,
    *,
    pairs: Sequence[tuple[int, int]],
    values: Sequence[int] = (),
) -> ScalarProgram:
    """Return the program that carries out a plan, with all that only that needs.

    Parameters
    ----------
    scalar : ScalarExpression
    found : Differentiable
        Its graph, for the arguments that are differentiated.
    plan : GraphPlan
        For that graph.
    pairs : sequence of (int, int)
        The blocks that come out, one after the other, row by row: an array of the results and one of the arguments.
    values : sequence of int
        The arrays of the results whose values come out after that.
    """
    writer = StepWriter()
    numbers = _values(writer, scalar)
    fixed = len(writer.steps)
    writer.is_exact = False
    nodes = _derivatives(writer, scalar, found, plan, numbers)
    roots = dict(zip(found.graph.requests, plan.roots, strict=True))

    def entry(head: int, tail: int) -> int:
        if head == tail:
            return writer.constant(1.0)
        root = roots.get((head, tail))
        return writer.constant(0.0) if root is None else nodes[root]

    results = [entry(h, t) for output, k in pairs for h in scalar.outputs[output] for t in scalar.inputs[k]]
    results += [numbers[node] for output in values for node in scalar.outputs[output]]
    draft = tidied(ScalarDraft(tuple(writer.steps), tuple(results), fixed if values else 0))
    return ScalarProgram(draft.steps, len(scalar.expression.inputs), draft.results)


def _values(writer: StepWriter, scalar: ScalarExpression) -> list[int]:
    """Return the step of the value of every node."""
    expression, found = scalar.expression, list[int]()
    places = {node: k for k, node in enumerate(expression.inputs)}
    for k, (operation, operands, _, constant, _) in enumerate(expression.nodes):
        if constant is not None:
            found.append(writer.constant(float(constant)))
        elif operation is None:
            found.append(writer.input(places[k]))
        else:
            assert isinstance(operation, ElementwisePrimitive)
            formulas = operation.formulas
            variables = dict(zip(formulas.arguments, [found[i] for i in operands], strict=True))
            found.append(writer.formula(formulas.value, variables))
    return found


def _derivatives(
    writer: StepWriter, scalar: ScalarExpression, found: Differentiable, plan: GraphPlan, numbers: Sequence[int]
) -> list[int]:
    """Return the step of every node of the plan."""
    steps: list[int] = []
    for node in plan.nodes:
        match node:
            case Local(link) if link == UNIT:
                steps.append(writer.constant(1.0))
            case Local(link):
                steps.append(_local(writer, scalar, found.places[link], numbers))
            case Multiply(left, right):
                steps.append(writer.step("multiply", (steps[left], steps[right])))
            case Add(left, right):
                steps.append(writer.step("add", (steps[left], steps[right])))
            case _:
                raise AssertionError(f"{node} is no step of a plan for explicit links")
    return steps


def _local(writer: StepWriter, scalar: ScalarExpression, place: tuple[int, int], numbers: Sequence[int]) -> int:
    node, position = place
    operation, operands, *_ = scalar.expression.nodes[node]
    assert isinstance(operation, ElementwisePrimitive)
    formulas = operation.formulas
    derivative = formulas.derivatives[position]
    assert derivative is not None
    variables = dict(zip(formulas.arguments, [numbers[k] for k in operands], strict=True))
    return writer.formula(derivative, {**variables, "y": numbers[node]})
