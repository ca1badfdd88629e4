"""The derivative of a function number by number: planned on the graph of its numbers, and written as a program."""

from dataclasses import replace
from itertools import product
from typing import Final, NamedTuple, final

from jacchain.algebra.structure import Identity, Sparse
from jacchain.functions.options import FunctionOptions
from jacchain.functions.scalar.scalar_program import ScalarProgram, scalar_program
from jacchain.functions.scalar.scalarise import ScalarExpression, elementwise_numbers, scalarised
from jacchain.model.expression import Expression, differentiable
from jacchain.model.lift import lift
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.planner import plan_graph

START: Final = 2e-6
"""Seconds that a straight-line program takes besides its steps: to take arguments apart and to put results together."""

STEP: Final = 20e-9
"""Seconds of a step of a straight-line program in Python."""

SPARSE: Final = 0.2
"""The share of a sweep's products that are neither by zero nor shared with other sweeps."""

LONGEST: Final = 4000
"""Steps up to which a program for one point is planned and compiled, in about a second."""

PRODUCTS: Final = 8
"""Steps for every number of an elementwise array from which on most are those of products of matrices."""

CALL: Final = 0.8e-6
"""Seconds of an instruction on small arrays."""


@final
class ScalarDerivative(NamedTuple):
    """A plan on the graph of an expression's numbers, and the program that carries it out.

    Attributes
    ----------
    plan : GraphPlan
    program : ScalarProgram
        Its results are the Jacobian's blocks, one after the other, and then the values if they are wanted.
    """

    plan: GraphPlan
    program: ScalarProgram

    @property
    def seconds(self) -> float:
        """About how long the program takes in Python."""
        return START + STEP * self.program.operations


def scalar_derivative(
    expression: Expression, options: FunctionOptions, /, *, with_value: bool
) -> ScalarDerivative | None:
    """Return the derivative of an expression number by number, or None where that cannot be.

    Parameters
    ----------
    expression : Expression
    options : FunctionOptions
        Of them argnums, the planner, its seconds and its seed count.
    with_value : bool
        The values come out too.
    """
    scalar = scalarised(expression)
    return None if scalar is None else planned(scalar, expression, options, with_value=with_value)


def planned(
    scalar: ScalarExpression, expression: Expression, options: FunctionOptions, /, *, with_value: bool
) -> ScalarDerivative:
    """Return the derivative of an expression that has been written out."""
    places = {node: k for k, node in enumerate(expression.inputs)}
    inputs = [places[node] for node in expression.inputs_of(options.argnums)]
    found = scalar.differentiable(inputs)
    plan = plan_graph(
        found.graph,
        planner=options.planner,
        seconds=options.seconds,
        seed=options.seed,
        unit_free=True,
        itemsize=expression.dtype.itemsize,
    )
    if options.pricing.cost == "seconds":
        reason = f"{plan.reason}; number by number, where each multiplication takes the same time"
        plan = replace(plan, cost="seconds", reason=reason)
    outputs = range(len(expression.outputs))
    pairs = list(product(outputs, inputs))
    return ScalarDerivative(
        plan, scalar_program(scalar, found, plan, pairs=pairs, values=outputs if with_value else ())
    )


def quicker(expression: Expression, options: FunctionOptions, /, *, with_value: bool) -> ScalarDerivative | None:
    """Return the derivative number by number where that should take less time than instructions on arrays."""
    if options.structured or options.memory is not None:
        return None
    most = CALL * instructions(expression, options.argnums)
    if START + STEP * elementwise_numbers(expression) > most:
        return None
    scalar = scalarised(expression)
    if scalar is None:
        return None
    expected = _expected(scalar)  # without the time that a plan takes
    if expected > LONGEST or START + STEP * expected > most:
        return None
    found = planned(scalar, expression, options, with_value=with_value)
    return found if found.seconds < most else None


def many_points_derivative(
    expression: Expression, options: FunctionOptions, /, *, with_value: bool
) -> ScalarDerivative | None:
    """Return the derivative number by number where at many points that takes less time than arrays do.

    A step is one call on a row of points, and takes as long as on a number of an elementwise array. Multiplications in
    products of matrices take a fraction of that, but in products of sparse matrices, which are gathered, several times
    as long.
    """
    if options.memory is not None:
        return None
    scalar = scalarised(expression)
    if scalar is None or _expected(scalar) > LONGEST:
        return None
    if is_mostly_products(scalar, expression) and not _is_scattered(expression, options):
        return None
    return planned(scalar, expression, options, with_value=with_value)


def is_mostly_products(scalar: ScalarExpression, expression: Expression, /) -> bool:
    """Whether most steps of an expression that has been written out are those of products of matrices."""
    return _expected(scalar) > PRODUCTS * elementwise_numbers(expression)


def _is_scattered(expression: Expression, options: FunctionOptions) -> bool:
    """Whether some local Jacobian at several points is a sparse matrix."""
    lifted = lift(expression, 2)
    graph = differentiable(lifted, lifted.inputs_of(options.argnums), lifted.outputs).graph
    return any(edge.link is not None and isinstance(edge.link.local, Sparse) for edge in graph.edges)


def _expected(scalar: ScalarExpression) -> float:
    """Return about how many steps a program takes: the values, and sweeps from the fewer of inputs and outputs."""
    nodes = scalar.expression.nodes
    edges = sum(len(node.operands) for node in nodes)
    width = min(len(scalar.expression.inputs), len(scalar.expression.outputs))
    return len(nodes) + SPARSE * edges * width


def instructions(expression: Expression, argnums: int | tuple[int, ...], /) -> int:
    """Return how many instructions on arrays the derivative takes at least: the values, and a product for each edge."""
    operations = [k for k, node in enumerate(expression.nodes) if node.operation is not None]
    values = sum(not expression.facts(k).view for k in operations)
    graph = differentiable(expression, expression.inputs_of(argnums), expression.outputs).graph
    return values + sum(edge.link is None or not isinstance(edge.link.local, Identity) for edge in graph.edges)
