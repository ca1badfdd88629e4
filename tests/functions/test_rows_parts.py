"""The parts of programs over rows: routes, writes, rewritten sums of products, steps done once for several slices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jacchain.functions.rows.hoisted import hoisted
from jacchain.functions.rows.layout import layout, mirrored
from jacchain.functions.rows.placed import Written
from jacchain.functions.rows.route import identity, joined, pieces, route, routed
from jacchain.functions.rows.row_writer import RowWriter
from jacchain.functions.rows.simplified import simplified
from jacchain.functions.rows.step_calls import add_calls, put_calls
from jacchain.functions.rows.writes import writes
from jacchain.functions.scalar.tidied import ScalarDraft


@st.composite
def routes(draw: st.DrawFn, size: int, *, least: int = 1):
    """Routes of all kinds to so many places."""
    places = st.integers(0, size - 1)
    if draw(st.booleans()):
        first, last, step = draw(places), draw(places), draw(st.integers(1, 3))
        return routed(size, np.arange(min(first, last), max(first, last) + 1, step))
    return routed(size, np.array(draw(st.lists(places, min_size=least, max_size=12))))


@given(st.data())
def test_routes_one_after_the_other_are_indices_of_indices(data):
    outer = data.draw(routes(9))
    inner = data.draw(routes(outer.count))
    np.testing.assert_array_equal(outer.then(inner).places, outer.places[inner.places])


@given(routes(9), routes(9))
def test_routes_are_equal_where_their_places_are(one, other):
    assert (one == other) == np.array_equal(one.places, other.places)
    assert one.is_injective == (len(np.unique(one.places)) == one.count)
    assert one.is_identity == np.array_equal(one.places, np.arange(9))


@given(routes(7), routes(7))
def test_joined_lanes_are_all_pairs_that_meet(left, right):
    i, j = joined(left, right, 1000)
    found = sorted(zip(i.places.tolist(), j.places.tolist(), strict=True)) if i.count else []
    expected = [(a, b) for a in range(left.count) for b in range(right.count) if left.places[a] == right.places[b]]
    assert found == expected
    if expected:
        assert joined(left, right, len(expected) - 1) is None


@given(routes(20), st.integers(1, 6))
def test_pieces_put_together_are_the_whole(whole, most):
    found = pieces(whole, most)
    if found is None:
        assert not whole.is_even
        return
    assert len(found.lanes) <= most
    assert all(part.is_even for part in found.routes)
    lanes = np.concatenate([part.places for part in found.lanes])
    np.testing.assert_array_equal(lanes, np.arange(whole.count))
    np.testing.assert_array_equal(np.concatenate([part.places for part in found.routes]), whole.places)


def _injective(size: int):
    return routes(size).filter(lambda found: found.is_injective)


@given(st.lists(_injective(11), min_size=1, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4))
def test_what_is_written_is_what_numpy_adds_at_the_places(found, signs):
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=to.count) for to in found]
    written = Written(11, tuple(range(len(rows))), tuple(found), None, tuple(signs[: len(rows)]))
    expected = np.zeros(11)
    for row, to, is_negative in zip(rows, found, signs, strict=False):
        np.add.at(expected, to.places, -row if is_negative else row)
    out = np.zeros(11)
    for _ in range(2):  # a second run starts over
        for write in writes(written):
            for function, arguments in add_calls(out, write, None if write.row is None else rows[write.row]):
                function(*arguments)
        np.testing.assert_allclose(out, expected, atol=1e-14)


@given(st.lists(_injective(11), min_size=1, max_size=4))
def test_what_is_put_is_zero_elsewhere(found):
    rows = [np.arange(1.0, to.count + 1) for to in found]
    out, expected = np.full(11, np.nan), np.zeros(11)
    for row, to in zip(rows, found, strict=True):
        np.add.at(expected, to.places, row)
    for function, arguments in put_calls(rows, found, out):
        function(*arguments)
    np.testing.assert_array_equal(out, expected)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_a_mirrored_pattern_is_symmetric(places):
    keys = np.unique([max(a, b) * 6 + min(a, b) for a, b in places]).astype(np.int64)
    lower = layout((6, 6), keys)
    whole, index = mirrored(lower)
    dense, values = np.zeros((6, 6)), np.arange(1.0, len(keys) + 1)
    dense[lower.rows, lower.indices] = values
    expected = dense + np.tril(dense, -1).T
    found = np.zeros((6, 6))
    found[whole.rows, whole.indices] = values[index]
    np.testing.assert_array_equal(found, expected)


def simplest(build, *lengths: int) -> ScalarDraft:
    """Return the simplified steps of what a function writes."""
    writer = RowWriter(lengths)
    inputs = [writer.inner.input(k) for k in range(len(lengths))]
    row = build(writer.inner.step, *inputs)
    return simplified(ScalarDraft(tuple(writer.inner.steps), (row,)), writer)


def functions(draft: ScalarDraft) -> list[str]:
    return [step.function for step in draft.steps if step.function not in ("input", "constant")]


def test_terms_that_cancel_are_gone():
    def build(step, a, b, c):
        left, right = step("multiply", (a, step("multiply", (b, c)))), step("multiply", (step("multiply", (a, b)), c))
        return step("add", (step("subtract", (left, right)), c))

    assert functions(simplest(build, 9, 9, 9)) == []


@pytest.mark.parametrize(
    ("first", "second", "sign", "wave"),
    [
        (("cos", "cos"), ("sin", "sin"), "subtract", lambda a, b: np.cos(a + b)),
        (("cos", "cos"), ("sin", "sin"), "add", lambda a, b: np.cos(a - b)),
        (("sin", "cos"), ("cos", "sin"), "add", lambda a, b: np.sin(a + b)),
        (("sin", "cos"), ("cos", "sin"), "subtract", lambda a, b: np.sin(a - b)),
    ],
)
def test_products_of_waves_become_one_wave(first, second, sign, wave):
    def build(step, a, b):
        products = [step("multiply", (step(one, (a,)), step(other, (b,)))) for one, other in (first, second)]
        return step(sign, tuple(products))

    found = simplest(build, 900, 900)
    assert len(functions(found)) == 2
    values = {0: 0.7, 1: 0.2}
    numbers: list[float] = []
    for step in found.steps:
        operands = [numbers[k] for k in step.operands]
        match step.function:
            case "input":
                numbers.append(values[int(step.number)])
            case "constant":
                numbers.append(step.number)
            case name:
                numbers.append(float(getattr(np, name)(*operands)))
    assert numbers[found.results[0]] == pytest.approx(wave(0.7, 0.2))


def test_what_two_slices_need_is_done_once():
    writer = RowWriter([10])
    x = writer.inner.input(0)
    slices = [writer.take(x, route(10, 9, start, 1)) for start in (0, 1)]
    waves = [writer.inner.step("sin", (writer.inner.step("multiply", (part, part)),)) for part in slices]
    row = writer.inner.step("add", tuple(waves))
    found = hoisted(ScalarDraft(tuple(writer.inner.steps), (row,)), writer)
    assert sorted(functions(found)) == ["add", "multiply", "sin", "take:0", "take:1"]


def test_an_identity_takes_and_puts_nothing():
    writer = RowWriter([4])
    x = writer.inner.input(0)
    assert writer.take(x, identity(4)) == x
    assert writer.put([x], [identity(4)]) == x
