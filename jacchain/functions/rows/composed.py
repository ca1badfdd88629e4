"""Values and derivatives written as steps: what the results of one program share."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, final

from jacchain.functions.rows.finished import all_rows, renumbered, side_by_side, with_signs, without_zeros
from jacchain.functions.rows.hoisted import hoisted
from jacchain.functions.rows.placed import Block, Written, folded, in_whole, lower, matrix, vector
from jacchain.functions.rows.replay import Origin, replayed
from jacchain.functions.rows.route import Route
from jacchain.functions.rows.row_program import RowProgram
from jacchain.functions.rows.row_values import RowValues
from jacchain.functions.rows.row_writer import PUT, RowWriter, kind
from jacchain.functions.rows.scattered import Term
from jacchain.functions.rows.simplified import simplified
from jacchain.functions.rows.wanted import Kind, Wanted
from jacchain.functions.scalar.tidied import ScalarDraft, needed, ordered
from jacchain.model.expression import Expression, differentiable
from jacchain.model.second_order import quotient, second_order
from jacchain.planning.elimination.planner import plan_graph
from jacchain.planning.second.planner import plan_second

SHORT: Final = 12
"""Vertices up to which the order of a Jacobian is searched for."""

SECONDS: Final = 0.2
"""For such a search."""


@final
class Placed(NamedTuple):
    """A node whose numbers are some of those of an array.

    Attributes
    ----------
    node : int
    places : Route
        Where they are in the array.
    """

    node: int
    places: Route


@final
class Ends(NamedTuple):
    """What derivatives are of, and with respect to what.

    Attributes
    ----------
    taps : sequence of Placed
        What a function takes out of the variable.
    size : int
        Numbers of the variable.
    outputs : sequence of sequence of Placed
        For each of the results the nodes that it is made of.
    """

    taps: Sequence[Placed]
    size: int
    outputs: Sequence[Sequence[Placed]]


@final
class Composed:
    """The steps of a program as its results are written one after the other.

    Raises
    ------
    NotRowsError
        The function does not combine numbers one by one.
    """

    def __init__(self, values: RowValues, ends: Ends, planner: str, /) -> None:
        self.values = values
        self.ends = ends
        self.planner = planner
        self.writer = values.writer
        self.writer.inner.is_exact = False
        self.nodes = [node for node, _ in ends.taps]

    def program(self, expression: Expression, wanted: Mapping[str, Wanted], /) -> RowProgram:
        """Return the program of some results, for an expression's arrays."""
        results = {name: self._result(*one) for name, one in wanted.items()}
        inner = self.writer.inner
        joint = self.writer.another()
        moved: list[int] = []
        for name, (result, _) in wanted.items():
            draft = ScalarDraft(tuple(inner.steps), results[name].rows, len(inner.steps))
            found = needed(draft) if result == "value" else simplified(draft._replace(fixed=0), self.writer)
            moved += _copied(joint, found)
        draft = hoisted(ScalarDraft(tuple(joint.inner.steps), tuple(moved)), self.writer)
        results, draft = self._finished(renumbered(results, draft.results), draft)
        lengths, constants = tuple(self.writer.inputs), tuple(self.values.constants)
        return RowProgram(expression, draft.steps, self.writer.routes, lengths, constants, results)

    def _finished(self, results: dict[str, Written], draft: ScalarDraft) -> tuple[dict[str, Written], ScalarDraft]:
        writer = self.writer.another()
        kept = without_zeros(results, draft)
        rows = _copied(writer, draft._replace(results=tuple(all_rows(kept))))
        results = side_by_side(renumbered(kept, tuple(rows)), writer)
        draft = ordered(ScalarDraft(tuple(writer.inner.steps), tuple(all_rows(results))))
        results = with_signs(renumbered(results, draft.results), draft)
        draft = needed(draft._replace(results=tuple(all_rows(results))))
        return renumbered(results, draft.results), draft

    def _result(self, result: Kind, position: int) -> Written:
        output = self.ends.outputs[position]
        size = output[0].places.size
        match result:
            case "value":
                return self._value(output)
            case "gradient":
                return vector(self.writer, self._blocks(output, "reverse"), self.ends.size)
            case "jacobian":
                terms = in_whole(self.writer, self._blocks(output, "auto"))
                return matrix(self.writer, terms, (size, self.ends.size))
            case "hessian":
                return self._hessian(output[0].node)

    def _value(self, output: Sequence[Placed]) -> Written:
        rows: list[int] = []
        routes: list[Route] = []
        for node, places in output:
            row = self.values.rows[node]
            step = self.writer.inner.steps[row]
            if kind(step.function) == PUT:  # written in its parts, rather than put together first
                rows += step.operands
                routes += [places.then(part) for part in self.writer.routes.of(step.function)]
            else:
                rows.append(row)
                routes.append(places)
        return Written(output[0].places.size, tuple(rows), tuple(routes))

    def _blocks(self, output: Sequence[Placed], planner: str) -> list[Block]:
        """Return the blocks of a Jacobian."""
        found = differentiable(self.values.expression, self.nodes, [node for node, _ in output])
        if planner == "auto" and len(found.graph.sizes) > SHORT:
            planner = "forward" if len(output) > len(self.nodes) else "reverse"
        plan = plan_graph(quotient(found.graph), planner=planner, unit_free=True, seconds=SECONDS)
        matrices = replayed(self.values, plan.nodes, Origin(found.places))
        roots = dict(zip(found.graph.requests, plan.roots, strict=True))
        return [
            Block(matrices[root], rows, columns)
            for node, rows in output
            for tap, columns in self.ends.taps
            if (root := roots[node, tap]) is not None
        ]

    def _hessian(self, output: int) -> Written:
        if not self.nodes:
            return matrix(self.writer, (), (self.ends.size, self.ends.size))
        is_of_rows = any(node.shape for node in self.values.expression.nodes)
        found = second_order(self.values.expression, self.nodes, output, is_quotient=is_of_rows)
        plan = plan_second(found.ladder, planner=self.planner, unit_free=True, baselines=False)
        matrices = replayed(self.values, plan.nodes, Origin(found.locals, found.curves))
        terms: list[Term] = []
        for (a, b), root in zip(found.ladder.pairs, plan.roots, strict=True):
            if root is not None:
                block = Block(matrices[root], self.ends.taps[a].places, self.ends.taps[b].places)
                terms += (lower if a == b else folded)(self.writer, in_whole(self.writer, [block]))
        return matrix(self.writer, terms, (self.ends.size, self.ends.size))


def _copied(writer: RowWriter, draft: ScalarDraft) -> list[int]:
    """Write the steps of a draft, and return what its results have become."""
    made: list[int] = []
    for step in draft.steps:
        made.append(writer.again(step, [made[i] for i in step.operands]))
    return [made[k] for k in draft.results]
