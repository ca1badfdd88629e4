"""The steps of one result written in the cheapest way of several."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, final

from jacchain.functions.rows.hoisted import hoisted, renewed
from jacchain.functions.rows.polynomials import Rewriting, shared
from jacchain.functions.rows.row_writer import RowWriter
from jacchain.functions.rows.step_cost import total_cost
from jacchain.functions.scalar.tidied import ScalarDraft, needed, tidied

WORK: Final = 20_000
"""Steps that are written anew, all trials together."""

LONG: Final = 200
"""Steps beyond which not every way is carried through to the end."""

SWEEPS: Final = 2
"""Times that every choice is looked at again."""


@final
class _Trial(NamedTuple):
    """A way to write a result, and about how long it takes."""

    nanoseconds: float
    draft: ScalarDraft
    kept: frozenset[int]


def simplified(draft: ScalarDraft, like: RowWriter, /) -> ScalarDraft:
    """Return a draft with the same results to rounding, in less time.

    Sums of sums are written as one where that lets like terms meet, products of products likewise, and common factors
    are taken out. Nothing is multiplied out: a - b may have all digits where x a - x b has none. Which shared sums and
    products to join to what they stand in and which to keep is tried one by one, as long as the program is short.

    Parameters
    ----------
    draft : ScalarDraft
    like : RowWriter
        Whose inputs and routes it has.
    """
    draft = needed(draft)
    choices = shared(draft.steps, draft.results)
    starts = [_trial(draft, like, frozenset(choices)), _trial(draft, like, frozenset())]
    best = _improved(draft, like, choices, min(starts, key=lambda trial: trial.nanoseconds))
    most = len(starts) if len(draft.steps) <= LONG else 0
    finished = [_finished(one, like) for one in (draft, *(trial.draft for trial in (best, *starts[:most])))]
    return min(finished, key=lambda one: _nanoseconds(one, like))


def _improved(draft: ScalarDraft, like: RowWriter, choices: Sequence[int], best: _Trial) -> _Trial:
    left = WORK // max(len(draft.steps), 1)
    for _ in range(SWEEPS):
        before = best.nanoseconds
        for choice in reversed(choices):
            if left <= 0:
                return best
            left -= 1
            trial = _trial(draft, like, best.kept ^ {choice})
            # of two ways that take as long, the one nearer to the formulas as they are
            if (trial.nanoseconds, choice not in trial.kept) < (best.nanoseconds, choice not in best.kept):
                best = trial
        if best.nanoseconds >= before:
            break
    return best


def _trial(draft: ScalarDraft, like: RowWriter, kept: Iterable[int]) -> _Trial:
    chosen = frozenset(kept)
    writer = like.another()
    writer.inner.is_exact = False
    results = Rewriting(writer, draft.steps, chosen, is_contracted=True).results(draft.results)
    found = needed(ScalarDraft(tuple(writer.inner.steps), results))
    return _Trial(_nanoseconds(found, like), found, chosen)


def _finished(draft: ScalarDraft, like: RowWriter) -> ScalarDraft:
    return hoisted(renewed(tidied(draft), like), like)


def _nanoseconds(draft: ScalarDraft, like: RowWriter) -> float:
    return total_cost(draft.steps, like.lengths(draft.steps), like.routes)
