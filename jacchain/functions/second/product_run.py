"""The product of a Hessian with one vector, ready to be computed."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import NamedTuple, final

from jacchain.algebra.kernels import Array
from jacchain.execution.assembly import Assembly, Part
from jacchain.execution.backend import CPU, Backend
from jacchain.execution.graph.lower import Place
from jacchain.execution.graph.run import GraphExecutable
from jacchain.execution.on_device import GraphOnDevice, graph_executable
from jacchain.execution.operation import Applied
from jacchain.execution.second.lower import CurvePlace, SecondRequest, lower_second
from jacchain.model.expression import Expression
from jacchain.model.second_order import Tap, second_order, taps
from jacchain.planning.second.products import HessianProduct, hessian_product


@final
class ProductRun(NamedTuple):
    """H v of one number of an expression.

    Attributes
    ----------
    plan : HessianProduct
    run : GraphExecutable
        Its arguments are those of the expression, and then a direction of every source.
    """

    plan: HessianProduct
    run: GraphExecutable | GraphOnDevice

    def __call__(
        self, arguments: Sequence[Array], directions: Sequence[Array], /, *, check: bool = False
    ) -> list[Array]:
        """Return one row for every source, flat."""
        flat = self.run([*arguments, *directions], check=check)
        return [flat[place.first : place.last] for place in self.run.results]


def product_run(expression: Expression, sources: Sequence[int], output: int, /, backend: Backend = CPU) -> ProductRun:
    """Return the product of a node's Hessian with respect to inputs, planned, lowered and bound to a device.

    Raises
    ------
    OptionError
        A node on the way states no curvature.
    """
    expression = replace(expression, outputs=(output,))
    found = tuple(tap for tap in taps(expression, sources) if tap.node != output)
    order = second_order(expression, [tap.node for tap in found] or [output], output)
    plan = hessian_product(order.ladder)
    nodes, directions, seeds = _with_directions(expression, sources, found)
    assemblies = tuple(
        Assembly(1, prod(nodes[source].shape), _parts(source, found, plan if found else HessianProduct((), ())))
        for source in sources
    )
    inputs = expression.inputs + directions
    program = lower_second(
        SecondRequest(plan.nodes, assemblies),
        nodes,
        inputs,
        [Place(*place) for place in order.locals],
        [CurvePlace(*place) for place in order.curves],
        seeds=seeds or directions,
        itemsize=expression.dtype.itemsize,
    )
    run = graph_executable(program, nodes, inputs, expression.dtype, backend=backend, assemblies=assemblies)
    return ProductRun(plan, run)


def _parts(source: int, found: Sequence[Tap], plan: HessianProduct) -> tuple[Part, ...]:
    pairs = zip(found, plan.roots, strict=False)
    return tuple(Part(root, None, tap.places) for tap, root in pairs if root is not None and tap.source == source)


def _with_directions(
    expression: Expression, sources: Sequence[int], found: Sequence[Tap]
) -> tuple[tuple[Applied, ...], tuple[int, ...], tuple[int, ...]]:
    """Return nodes with directions among them: their inputs, and what each tap takes of these."""
    nodes = list(expression.nodes)
    known: dict[int, int] = {}
    for source in sources:
        nodes.append(Applied(None, (), nodes[source].shape, name="direction"))
        known[source] = len(nodes) - 1

    def direction(node: int) -> int:
        if node not in known:
            applied = expression.nodes[node]
            operands = tuple(direction(k) for k in applied.operands)
            nodes.append(applied._replace(operands=operands))
            known[node] = len(nodes) - 1
        return known[node]

    seeds = tuple(direction(tap.node) for tap in found)
    return tuple(nodes), tuple(known[source] for source in sources), seeds
