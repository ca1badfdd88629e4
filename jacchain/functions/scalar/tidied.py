"""Straight-line programs with fewer steps: common factors before brackets, divisions and signs where they are cheap."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from jacchain.functions.scalar.steps import CONSTANT, INPUT, ScalarStep, StepWriter
from jacchain.functions.scalar.sums import Term, sum_of

ROUNDS: Final = 8
"""Times that a program is written anew at most; each may show more common factors."""

SUMS: Final = ("add", "subtract")


class ScalarDraft(NamedTuple):
    """Steps, those of them that come out, and how many of them, from the first, are to stay as they are."""

    steps: tuple[ScalarStep, ...]
    results: tuple[int, ...]
    fixed: int = 0


def tidied(draft: ScalarDraft, /) -> ScalarDraft:
    """Return a draft with the same results to rounding, without what they do not need; each step near its use.

    Notes
    -----
    a x + a y becomes a (x + y) where nothing else needs the products; a reciprocal that one product needs becomes a
    division; and the sign of a product by a constant goes into the constant.

    Examples
    --------
    >>> steps = [ScalarStep("input", (), k) for k in range(3)]
    >>> steps += [ScalarStep("multiply", (0, 1)), ScalarStep("multiply", (0, 2)), ScalarStep("add", (3, 4))]
    >>> for step in tidied(ScalarDraft(tuple(steps), (5,))).steps[3:]: print(step.function, step.operands)
    add (1, 2)
    multiply (0, 3)
    """
    draft = needed(draft)
    for _ in range(ROUNDS):
        shorter = _factored(draft)
        if len(shorter.steps) >= len(draft.steps):
            break
        draft = shorter
    return ordered(_merged(draft))


def needed(draft: ScalarDraft, /) -> ScalarDraft:
    """Return a draft without the steps that its results do not need."""
    steps, results, fixed = draft
    found = set(results)
    for k in reversed(range(len(steps))):
        if k in found:
            found.update(steps[k].operands)
    kept = sorted(found)
    numbers = {old: new for new, old in enumerate(kept)}
    left = tuple(steps[k]._replace(operands=tuple(numbers[i] for i in steps[k].operands)) for k in kept)
    return ScalarDraft(left, tuple(numbers[k] for k in results), sum(k < fixed for k in kept))


def _uses(draft: ScalarDraft) -> Counter[int]:
    uses = Counter(k for step in draft.steps for k in step.operands)
    uses.update(draft.results)
    return uses


def _factored(draft: ScalarDraft) -> ScalarDraft:
    """Return the draft with common factors taken out of sums, once."""
    uses, made, fixed = _uses(draft), list[int](), 0
    writer = StepWriter()
    writer.is_exact = False
    joined = _joined(draft, uses)
    for k, step in enumerate(draft.steps):
        operands = [made[i] for i in step.operands]
        if k < draft.fixed or step.function in (INPUT, CONSTANT):
            made.append(writer.copy(step, operands))
            fixed = len(writer.steps) if k < draft.fixed else fixed
        elif step.function in SUMS and k not in joined:
            made.append(sum_of(writer, [_mapped(term, made) for term in _terms(draft, uses, joined, k)]))
        else:
            made.append(writer.step(step.function, operands))
    return needed(ScalarDraft(tuple(writer.steps), tuple(made[k] for k in draft.results), fixed))


def _joined(draft: ScalarDraft, uses: Counter[int]) -> set[int]:
    """Return the sums that are written as part of the sum above them: of two in one sum only the first.

    (x - c) + (z - d) is not the same to rounding as ((x - c) + z) - d where x is near c, and z near d.
    """
    found: set[int] = set()
    for k, step in enumerate(draft.steps):
        if step.function in SUMS and k >= draft.fixed:
            inner = [i for i in step.operands if draft.steps[i].function in SUMS and uses[i] == 1 and i >= draft.fixed]
            found.update(inner[:1])
    return found


def _terms(draft: ScalarDraft, uses: Counter[int], joined: set[int], k: int) -> Iterator[Term]:
    """Yield what is added up to a sum, through sums and products that nothing else needs; a sum's terms first."""
    root, waiting = k, [(k, False)]
    while waiting:
        k, is_negative = waiting.pop()
        step = draft.steps[k]
        if step.function in SUMS and (k == root or k in joined):
            left, right = step.operands
            operands = [(left, is_negative), (right, is_negative ^ (step.function == "subtract"))]
            waiting += operands if right in joined else reversed(operands)
        else:
            yield Term(is_negative, tuple(_factors(draft, uses, k)))


def _factors(draft: ScalarDraft, uses: Counter[int], k: int) -> Iterator[int]:
    """Yield what is multiplied to a product, through products that nothing else needs."""
    waiting = [k]
    while waiting:
        k = waiting.pop()
        step = draft.steps[k]
        if step.function == "multiply" and uses[k] == 1 and k >= draft.fixed:
            waiting += reversed(step.operands)
        else:
            yield k


def _mapped(term: Term, made: Sequence[int]) -> Term:
    return term._replace(factors=tuple(made[k] for k in term.factors))


def _merged(draft: ScalarDraft) -> ScalarDraft:
    """Return the draft with reciprocals and signs merged into the products beside them."""
    writer, uses, made = StepWriter(), _uses(draft), list[int]()
    for k, step in enumerate(draft.steps):
        merged = None if k < draft.fixed else _merge(draft, uses, step)
        if merged is None:
            made.append(writer.copy(step, [made[i] for i in step.operands]))
            continue
        function, operands, number = merged
        mapped = [made[i] for i in operands]
        if function == "multiply":
            mapped.append(writer.constant(number))
        made.append(writer.copy(ScalarStep(function, ()), mapped))
    return needed(ScalarDraft(tuple(writer.steps), tuple(made[k] for k in draft.results)))


def _merge(draft: ScalarDraft, uses: Counter[int], step: ScalarStep) -> ScalarStep | None:
    """Return what a step becomes with one of its operands merged into it; with one operand, a product by a number."""
    steps = draft.steps
    for place, operand in enumerate(step.operands):
        inner = steps[operand]
        numbers = [steps[i].number if steps[i].function == CONSTANT else None for i in inner.operands]
        if uses[operand] != 1 or operand < draft.fixed:
            continue
        if step.function == "multiply" and inner.function == "divide" and numbers[0] == 1.0:
            return ScalarStep("divide", (step.operands[1 - place], inner.operands[1]))
        if step.function == "negative" and inner.function == "multiply":
            for other, number in zip(reversed(inner.operands), numbers, strict=True):
                if number is not None:
                    return ScalarStep("multiply", (other,), -number)
    return None


def ordered(draft: ScalarDraft, /) -> ScalarDraft:
    """Return the draft with every step as late as the order of the results allows, so that few numbers are held."""
    order: dict[int, None] = {}
    waiting = list(reversed(draft.results))
    while waiting:
        missing = [k for k in draft.steps[waiting[-1]].operands if k not in order]
        if missing:
            waiting += reversed(missing)
        else:
            order.setdefault(waiting.pop())
    numbers = {old: new for new, old in enumerate(order)}
    moved = [draft.steps[k]._replace(operands=tuple(numbers[i] for i in draft.steps[k].operands)) for k in order]
    return ScalarDraft(tuple(moved), tuple(numbers[k] for k in draft.results))
