"""Steps done once for the lanes that several slices of the same rows share."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, final

from jacchain.functions.rows.route import route
from jacchain.functions.rows.row_writer import TAKE, RowWriter, kind
from jacchain.functions.rows.step_cost import CALL, cost
from jacchain.functions.scalar.steps import COMMUTATIVE, ScalarStep
from jacchain.functions.scalar.tidied import ScalarDraft, needed

ROUNDS: Final = 12
"""Times that a program is gone through: steps that lie upon each other are found one after the other."""

MOVING: Final = frozenset({"input", "constant", "take", "put", "sum", "sums", "counts"})


@final
class _Source(NamedTuple):
    """Neighbouring lanes of a row, from `first` on; of a number all lanes are one."""

    base: int
    first: int | None


@final
class _Likeness(NamedTuple):
    """What steps have in common that do the same with other lanes of the same rows."""

    function: str
    bases: tuple[int, ...]
    offsets: tuple[int | None, ...]


@final
class _Window(NamedTuple):
    """The lanes that a step is for, counted from those of its first row."""

    first: int
    end: int
    step: int


def hoisted(draft: ScalarDraft, like: RowWriter, /) -> ScalarDraft:
    """Return a draft in which f(x[1:]) and f(x[:-1]) are slices of one f(x).

    Parameters
    ----------
    draft : ScalarDraft
    like : RowWriter
        Whose inputs and routes it has.
    """
    for _ in range(ROUNDS):
        writer = like.another()
        lengths = writer.lengths(draft.steps)
        groups = dict(_groups(draft, lengths, writer))
        if not groups:
            break
        draft = _rewritten(draft, groups, writer)
    return draft


def _groups(draft: ScalarDraft, lengths: Sequence[int], writer: RowWriter) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield steps that have others like them, with the first and last lane that any of them is for."""
    found: dict[_Likeness, list[_Window]] = {}
    for k, step in enumerate(draft.steps):
        if kind(step.function) not in MOVING and lengths[k] > 1:
            likeness, first = _likeness(draft.steps, lengths, writer, step)
            found.setdefault(likeness, []).append(_Window(first, first + lengths[k], k))
    inner = {i for step in draft.steps for i in step.operands}
    for windows in found.values():
        for cluster in _clusters(windows):
            first, end = cluster[0].first, max(window.end for window in cluster)
            once = cost(draft.steps[cluster[0].step], end - first, writer.routes)
            each = [cost(draft.steps[k], lengths[k], writer.routes) for _, _, k in cluster]
            copies = sum(CALL for _, _, k in cluster if k not in inner)  # they were written right into results
            if len(cluster) > 1 and once + copies < sum(each):
                yield from ((k, (start - first, end - first)) for start, _, k in cluster)


def _clusters(windows: Sequence[_Window]) -> Iterator[list[_Window]]:
    """Yield windows that overlap."""
    cluster: list[_Window] = []
    end = 0
    for window in sorted(windows):
        if cluster and window.first >= end:
            yield cluster
            cluster = []
        cluster.append(window)
        end = max(end, window.end) if len(cluster) > 1 else window.end
    yield cluster


def _likeness(
    steps: Sequence[ScalarStep], lengths: Sequence[int], writer: RowWriter, step: ScalarStep
) -> tuple[_Likeness, int]:
    sources = [_source(steps, lengths, writer, k) for k in step.operands]
    if step.function in COMMUTATIVE:
        sources.sort(key=lambda source: (source.first is None, source.base, source.first or 0))
    first = next(source.first for source in sources if source.first is not None)
    offsets = tuple(None if source.first is None else source.first - first for source in sources)
    return _Likeness(step.function, tuple(source.base for source in sources), offsets), first


def _source(steps: Sequence[ScalarStep], lengths: Sequence[int], writer: RowWriter, k: int) -> _Source:
    if lengths[k] == 1:
        return _Source(k, None)
    if kind(steps[k].function) == TAKE:
        (taken,) = writer.routes.of(steps[k].function)
        if taken.is_even and taken.step == 1:
            return _Source(steps[k].operands[0], taken.start)
    return _Source(k, 0)


def _rewritten(draft: ScalarDraft, groups: dict[int, tuple[int, int]], writer: RowWriter) -> ScalarDraft:
    lengths = writer.lengths(draft.steps)
    made: list[int] = []
    for k, step in enumerate(draft.steps):
        if k in groups:
            before, width = groups[k]
            operands = [
                _widened(writer, made, _source(draft.steps, lengths, writer, i), before, width) for i in step.operands
            ]
            whole = writer.inner.copy(step, operands)
            made.append(writer.take(whole, route(width, lengths[k], before, 1)))
        else:
            made.append(writer.again(step, [made[i] for i in step.operands]))
    return needed(ScalarDraft(tuple(writer.inner.steps), tuple(made[k] for k in draft.results), draft.fixed))


def _widened(writer: RowWriter, made: Sequence[int], source: _Source, before: int, width: int) -> int:
    """Return the lanes of a source that the whole group reads."""
    row = made[source.base]
    if source.first is None:
        return row
    return writer.take(row, route(writer.length(row), width, source.first - before, 1))


def renewed(draft: ScalarDraft, like: RowWriter, /) -> ScalarDraft:
    """Return a draft in which nothing takes lanes of what has become a number."""
    writer = like.another()
    made: list[int] = []
    for step in draft.steps:
        made.append(writer.again(step, [made[i] for i in step.operands]))
    return needed(ScalarDraft(tuple(writer.inner.steps), tuple(made[k] for k in draft.results), draft.fixed))
