"""The nodes of a choice of options."""

from typing import assert_never

from jacchain.planning.second.chains.draft import HessianDraft, Span
from jacchain.planning.second.chains.sharing import Choice
from jacchain.planning.second.chains.table import NONE, Option, Table

Turned = tuple[int, bool]
"""A cell of a table by number, and whether its arms are exchanged."""


def derived(draft: HessianDraft, table: Table, choice: Choice, /) -> int:
    """Add the nodes of a choice to a draft and return the index of the whole tensor."""
    if table.root == NONE:
        return draft.zero()
    made: dict[Turned, int] = {}
    spans: dict[Span, int] = {}
    for cell in sorted(_turns(table, choice)):
        made[cell] = _step(draft, table, choice, cell, made, spans)
    return made[table.root, False]


def _turns(table: Table, choice: Choice) -> set[Turned]:
    """Return the cells of a choice, each with its arms as the cell that reads it needs them."""
    found: set[Turned] = {(table.root, False)}
    waiting = [(table.root, False)]
    while waiting:
        number, turned = waiting.pop()
        option = choice.options[number]
        for operand in (option.left, option.right):
            if operand != NONE:
                reads = operand, turned != _turns_arms(table, number, option)
                found.add(reads)
                waiting.append(reads)
    return found


def _turns_arms(table: Table, number: int, option: Option) -> bool:
    """Whether the operand has the arm that is multiplied second: H(j; v, m) is listed as H(j; m, v) where m < v."""
    return option.move == "first" and option.vertex > table.cells[number].second


def _step(
    draft: HessianDraft,
    table: Table,
    choice: Choice,
    cell: Turned,
    made: dict[Turned, int],
    spans: dict[Span, int],
) -> int:
    """Add the nodes of one option."""
    number, turned = cell
    option, (j, i, m, _, _) = choice.options[number], table.cells[number]
    v, arm = option.vertex, int(turned)
    below = made.get((option.left, turned != _turns_arms(table, number, option)))
    above = made.get((option.right, turned))

    def jacobian(upper: int, lower: int) -> int:
        return _jacobian(draft, choice, (upper, lower), spans)

    match option.move:
        case "elemental":
            return draft.elemental(v)
        case "lift":
            return draft.lift(jacobian(j, v), _there(below))
        case "first":
            return draft.pull(_there(below), jacobian(v, i), arm)
        case "second":
            return draft.pull(_there(below), jacobian(v, m), 1 - arm)
        case "split":
            return _there(draft.summed(below, above))
        case "peel":
            return _there(draft.summed(draft.lift(jacobian(j, v), _there(below)), above))
        case "congruence":
            lifted = None if below is None else draft.lift(jacobian(j, v), below)
            pulled = None
            if above is not None:
                pulled = draft.pull(draft.pull(above, jacobian(v, i), 0), jacobian(v, i), 1)
            return _there(draft.summed(lifted, pulled))
        case _:
            assert_never(option.move)


def _there(node: int | None) -> int:
    assert node is not None, "only cells that are not zero are summed"
    return node


def _jacobian(draft: HessianDraft, choice: Choice, span: Span, spans: dict[Span, int]) -> int:
    """Add the product of a span's Jacobians in the choice's bracketing, without recursion."""
    waiting = [span]
    while waiting:
        upper, lower = waiting[-1]
        if (upper, lower) in spans:
            waiting.pop()
        elif upper - lower == 1:
            spans[waiting.pop()] = draft.jacobian(upper)
        else:
            middle = choice.splits[upper, lower]
            halves = (upper, middle), (middle, lower)
            missing = [half for half in halves if half not in spans]
            waiting += missing
            if not missing:
                spans[waiting.pop()] = draft.multiply(spans[halves[0]], spans[halves[1]])
    return spans[span]
