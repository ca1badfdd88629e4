"""The engine of all other functions: products of structured matrices, put together as sparse ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import prod
from typing import Any, Final, NamedTuple, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.algebra.structure import Sparse, Structure, csr_arrays
from jacchain.execution.assembly import Assembly, Part
from jacchain.execution.graph.lower import Place, Request, lower_graph
from jacchain.execution.graph.run import GraphExecutable
from jacchain.execution.operation import Applied
from jacchain.execution.program import Program
from jacchain.execution.second.lower import SecondRequest, lower_second
from jacchain.functions.options import FunctionOptions
from jacchain.functions.second.product_run import ProductRun, product_run
from jacchain.lagrangian.engine import Result
from jacchain.lagrangian.recorded import Recorded, parts_of
from jacchain.lagrangian.sparse_hessian import SparseHessian, sparse_hessian
from jacchain.lagrangian.sparsity import SparsityPattern
from jacchain.model.expression import Expression, differentiable
from jacchain.model.primitives.unary import Unary
from jacchain.model.second_order import taps
from jacchain.planning.elimination.planner import plan_graph

MOST: Final = 256
"""Blocks of the constraints' Jacobian up to which what is joined only in the end is differentiated apart."""


@final
class MatrixEngine:
    """Three programs: the values of f and g; ∇f and ∇g; ∇²L.

    The first leaves the value of every node that the others read, and these take it as an input, so that nothing is
    evaluated twice at one point. The third is made when a Hessian or its structure is first asked for; until then the
    first leaves all values that it may read.
    """

    name = "matrices"

    def __init__(self, recorded: Recorded, /, *, planner: str, reason: str) -> None:
        self.reason = reason
        self._recorded = recorded
        self._expression = expression = recorded.expression
        opened = replace(expression, inputs=(*expression.inputs, *_states(recorded)))
        self._first = _FirstOrder.of(recorded, opened)
        self._planner = planner
        self._opened = opened
        self._read = _states(recorded)
        self._values = _values(recorded, self._read)
        self._made: SparseHessian | None = None
        self._product: ProductRun | None = None
        self.jacobian_pattern = self._first.pattern
        self._rows = self.jacobian_pattern.rows
        self._known: dict[str, Array] = {}
        self._given: dict[int, Array] = {}
        if any(_is_unstated(expression, k) for k in range(len(expression.nodes))):
            self._make_second()  # what states no curvature is refused at once, if it matters

    @property
    def hessian_pattern(self) -> SparsityPattern:
        """Where the lower triangle of ∇²L may differ from zero."""
        return self._second.pattern

    @property
    def instructions(self) -> int:
        """How many instructions everything takes at a new point."""
        return sum(len(run.program.instructions) for run in (self._second.run, self._values, self._first.run))

    @property
    def multiplications(self) -> int:
        """How many multiplications the products of derivatives take."""
        runs = self._first.run, self._second.run
        return sum(step.flops for run in runs for step in run.program.instructions)

    def move(self, point: Array, /) -> None:
        """Take a point."""
        self._known.clear()
        self._given[self._expression.inputs[0]] = point.copy()

    def weigh(self, multipliers: Array, factor: float, /) -> None:
        """Take multipliers and the objective's factor."""
        for name in ("hessian", "lagrangian_gradient"):
            self._known.pop(name, None)
        zeros = np.zeros(self._recorded.variables, self._expression.dtype)
        arguments = self._recorded.arguments(zeros, multipliers.copy(), factor)
        self._given |= zip(self._expression.inputs[1:], arguments[1:], strict=True)

    def result(self, name: Result, /) -> Array:
        """Return a result, which the next point overwrites."""
        if name not in self._known:
            with np.errstate(all="ignore"):
                self._compute(name)
        return self._known[name]

    def times(self, point: Array, multipliers: Array, factor: float, /) -> Callable[[Array], Array]:
        """Return the product of ∇²L with a vector, which never forms the matrix."""
        if self._product is None:
            expression = self._expression
            output = expression.outputs[self._recorded.outputs["lagrangian"]]
            self._product = product_run(expression, expression.inputs[:1], output)
        product, arguments = self._product, self._recorded.arguments(point.copy(), multipliers.copy(), factor)
        return lambda direction: product(arguments, [direction])[0]

    def __str__(self) -> str:
        second = self._second
        parts = (
            ("values", self._values),
            ("first derivatives", self._first.run),
            ("Hessian of the Lagrangian", second.run),
        )
        return "\n\n".join(f"{title}:\n{run.program}" for title, run in parts)

    def _compute(self, name: Result) -> None:
        known = self._known
        match name:
            case "objective" | "constraints":
                self._evaluate()
            case "gradient" | "jacobian":
                self._evaluate()
                flat = self._first.run(self._arguments())
                known["gradient"], known["jacobian"] = self._first.results(flat)
            case "lagrangian_gradient":
                known[name] = self._lagrangian_gradient()
            case "hessian":
                second = self._second
                self._evaluate()
                known[name] = second.values(self._arguments())

    @property
    def _second(self) -> SparseHessian:
        """The program of ∇²L; with it, it is known which values it reads."""
        return self._make_second() if self._made is None else self._made

    def _make_second(self) -> SparseHessian:
        recorded = self._recorded
        (source, *_), output = self._expression.inputs, self._expression.outputs[recorded.outputs["lagrangian"]]
        self._made = made = sparse_hessian(self._opened, source, output, self._planner)
        self._read = _points(self._opened, [self._first.run.program, made.run.program])
        self._values = _values(recorded, self._read)
        return made

    def _evaluate(self) -> None:
        """Evaluate f and g, and keep what their derivatives read."""
        if "values" in self._known:
            return
        operands = self._values.operands(self._values([self._given[self._expression.inputs[0]]]))
        found = [operand.arrays[0].reshape(-1) for operand in operands]
        self._known["values"] = found[0]
        outputs = self._recorded.outputs
        self._known |= {name: found[position] for name, position in outputs.items() if name != "lagrangian"}
        nodes = self._expression.nodes
        states = found[len(found) - len(self._read) :]
        self._given |= {k: state.reshape(nodes[k].shape) for k, state in zip(self._read, states, strict=True)}

    def _arguments(self) -> list[Any]:
        """Return the arguments of the programs of derivatives; what they do not read is missing."""
        return [self._given.get(k) for k in self._opened.inputs]

    def _lagrangian_gradient(self) -> Array:
        inputs, given = self._recorded.inputs, self._given
        total = np.zeros(self._recorded.variables, self._expression.dtype)
        if "factor" in inputs:
            total += given[self._expression.inputs[inputs["factor"]]] * self.result("gradient")
        if "multipliers" in inputs:
            weights = given[self._expression.inputs[inputs["multipliers"]]]
            terms = self.result("jacobian") * weights[self._rows]
            columns = self.jacobian_pattern.columns
            total -= np.bincount(columns, terms, minlength=total.size).astype(total.dtype)
        return total


class _FirstOrder(NamedTuple):
    """The program of ∇f and ∇g."""

    run: GraphExecutable
    pattern: SparsityPattern
    has_objective: bool

    @staticmethod
    def of(recorded: Recorded, opened: Expression) -> "_FirstOrder":
        expression, outputs = _parted(recorded, opened)
        found = taps(expression, expression.inputs[:1])
        heads = [k for nodes in outputs.values() for k in nodes]
        # where nothing depends on x, the plan is one of nothing
        tails = [tap.node for tap in found] or [expression.inputs[0]]
        derivatives = differentiable(expression, tails, heads)
        itemsize = expression.dtype.itemsize
        seconds = FunctionOptions().seconds
        plan = plan_graph(derivatives.graph, planner="auto", seconds=seconds, unit_free=True, itemsize=itemsize)
        roots = dict(zip(derivatives.graph.requests, plan.roots, strict=True))
        size = recorded.variables
        assemblies = []
        for name, nodes in outputs.items():
            starts = np.cumsum([0, *(prod(expression.nodes[k].shape) for k in nodes)])
            parts = [
                Part(root, np.arange(start, stop), tap.places)
                for k, start, stop in zip(nodes, starts[:-1], starts[1:], strict=True)
                for tap in found
                if (root := roots[k, tap.node]) is not None
            ]
            assemblies.append(Assembly(int(starts[-1]), size, tuple(parts), is_sparse=name == "constraints"))
        program = lower_second(
            SecondRequest(plan.nodes, tuple(assemblies)),
            expression.nodes,
            expression.inputs,
            [Place(*place) for place in derivatives.places],
            (),
            itemsize=itemsize,
        )
        run = GraphExecutable(
            program, expression.nodes, expression.inputs, expression.dtype, assemblies=tuple(assemblies)
        )
        pattern = SparsityPattern((0, size), np.zeros(1, np.int32), np.zeros(0, np.int32))
        return _FirstOrder(run, _pattern(program) if recorded.constraints else pattern, recorded.has_objective)

    def results(self, flat: Array) -> tuple[Array, Array]:
        """Return ∇f and the values of ∇g."""
        found = [flat[place.first : place.last] for place in self.run.results]
        empty = flat[:0]
        if not self.has_objective:
            return empty, found[0]
        return found[0], found[1] if len(found) > 1 else empty


def _parted(recorded: Recorded, expression: Expression) -> tuple[Expression, dict[str, list[int]]]:
    """Return an expression, and the nodes of f and of the parts of g; none of these is a tap."""
    nodes, outputs = list(expression.nodes), recorded.outputs
    found: dict[str, list[int]] = {}
    for name in ("objective", "constraints"):
        if name in outputs:
            whole = expression.outputs[outputs[name]]
            parts = parts_of(expression.nodes, whole)
            found[name] = parts if len(parts) <= MOST else [whole]
    heads = tuple(k for several in found.values() for k in several)
    used = {tap.node for tap in taps(replace(expression, outputs=heads), expression.inputs[:1])}
    for several in found.values():
        for place, k in enumerate(several):
            if k in used:  # a derivative of something with respect to itself takes a step between
                nodes.append(Applied(Unary("positive"), (k,), nodes[k].shape))
                several[place] = len(nodes) - 1
    heads = tuple(k for several in found.values() for k in several)
    return replace(expression, nodes=tuple(nodes), outputs=heads), found


def _states(recorded: Recorded) -> tuple[int, ...]:
    """Return the nodes that depend on the point alone and are no views."""
    expression = recorded.expression
    dependent, weighted = {expression.inputs[0]}, set(expression.inputs[1:])
    found = []
    for k, (operation, operands, *_) in enumerate(expression.nodes):
        if operation is None:
            continue
        if not weighted.isdisjoint(operands):
            weighted.add(k)
        elif not dependent.isdisjoint(operands):
            dependent.add(k)
            if not expression.facts(k).view:
                found.append(k)
    return tuple(found)


def _is_unstated(expression: Expression, node: int) -> bool:
    """Whether an operation does not say what its second derivatives are."""
    return expression.nodes[node].operation is not None and expression.facts(node).curvatures is None


def _points(expression: Expression, programs: Iterable[Program]) -> tuple[int, ...]:
    """Return the nodes, of those that are not the arguments of f and g, that programs take as inputs."""
    steps = [step for program in programs for step in program.instructions if step.op == "point"]
    nodes = {expression.inputs[int(step.mode)] for step in steps}
    return tuple(sorted(k for k in nodes if expression.nodes[k].operation is not None))


def _values(recorded: Recorded, read: Sequence[int]) -> GraphExecutable:
    """Return the program of f, g and what the derivatives read."""
    expression = recorded.expression
    wanted = [expression.outputs[k] for name, k in recorded.outputs.items() if name != "lagrangian"]
    request = Request((), (), (*wanted, *read))
    inputs = expression.inputs[:1]
    program = lower_graph(request, expression.nodes, inputs, (), itemsize=expression.dtype.itemsize)
    return GraphExecutable(program, expression.nodes, inputs, expression.dtype)


def _pattern(program: Program) -> SparsityPattern:
    """Return the pattern of the last result of a program, which is sparse."""
    structure: Structure = program.registers[program.results[-1]].structure
    assert isinstance(structure, Sparse), "it is assembled as a sparse one"
    indptr, indices = csr_arrays(structure)
    return SparsityPattern((structure.rows, structure.columns), indptr, indices)
