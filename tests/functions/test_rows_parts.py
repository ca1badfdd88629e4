"""The parts of programs over rows: routes, writes, rewritten sums of products, steps done once for several slices."""

from fractions import Fraction

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


WAVES = [
    (("cos", "cos"), ("sin", "sin"), "subtract", lambda p, _: np.cos(2 * p)),
    (("cos", "cos"), ("sin", "sin"), "add", lambda _, q: np.cos(2 * q)),
    (("sin", "cos"), ("cos", "sin"), "add", lambda p, _: np.sin(2 * p)),
    (("sin", "cos"), ("cos", "sin"), "subtract", lambda _, q: -np.sin(2 * q)),
]


@pytest.mark.parametrize(("first", "second", "sign", "wave"), WAVES)
@pytest.mark.parametrize("values", [(0.7, 0.2), (1e6 + 0.3, 3e5), (1e-9, 1.0)])
def test_products_of_waves_become_one_wave_where_its_argument_is_exact(first, second, sign, wave, values):
    def build(step, p, q):
        arguments = step("subtract", (p, q)), step("add", (p, q))
        products = [
            step("multiply", tuple(step(one, (a,)) for one, a in zip(pair, arguments, strict=True)))
            for pair in (first, second)
        ]
        return step(sign, tuple(products))

    found = simplest(build, 900, 900)
    assert len(functions(found)) <= 3
    assert evaluated(found, values) == pytest.approx(wave(*values), rel=1e-15)


@pytest.mark.parametrize(("first", "second", "sign", "wave"), WAVES)
def test_products_of_waves_of_other_arguments_stay(first, second, sign, wave):
    def build(step, a, b):
        products = [step("multiply", (step(one, (a,)), step(other, (b,)))) for one, other in (first, second)]
        return step(sign, tuple(products))

    assert len(functions(simplest(build, 900, 900))) == 7


def evaluated(draft: ScalarDraft, values) -> float:
    numbers: list[float] = []
    for step in draft.steps:
        operands = [numbers[k] for k in step.operands]
        match step.function:
            case "input":
                numbers.append(values[int(step.number)])
            case "constant":
                numbers.append(step.number)
            case name:
                numbers.append(float(getattr(np, name)(*operands)))
    return numbers[draft.results[0]]


ATOMS = {"x": 1e8 + 0.25, "y": 1e8, "z": 1e-3, "w": 3e-4, "one": 1.0}
"""Two large neighbours, two small numbers, and one."""


@st.composite
def cancelling_sums(draw: st.DrawFn):
    """Sums in which neighbours cancel, in any order and brackets, and products with such."""
    parts = [
        lambda step, at: step("subtract", (at["x"], at["y"])),
        lambda step, at: step("subtract", (at["y"], at["x"])),
        lambda step, at: at["z"],
        lambda step, at: at["w"],
        lambda step, at: step("multiply", (at["w"], at["one"])),
    ]
    chosen = draw(st.lists(st.tuples(st.sampled_from(parts), st.sampled_from(ARITHMETIC)), min_size=2, max_size=6))
    turns = draw(st.lists(st.booleans(), min_size=6, max_size=6))

    def build(step, *rows):
        at = dict(zip(ATOMS, rows, strict=True))
        found = chosen[0][0](step, at)
        for (part, function), is_last in zip(chosen[1:], turns, strict=False):
            operands = part(step, at), found
            found = step(function, operands if is_last else operands[::-1])
        return found

    return build


ARITHMETIC = ("add", "subtract", "multiply")


@given(cancelling_sums())
def test_what_has_no_large_numbers_but_in_exact_differences_loses_no_digits(build):
    def fraction(function, operands):
        known = {"add": Fraction.__add__, "subtract": Fraction.__sub__, "multiply": Fraction.__mul__}
        return known[function](*operands)

    def bound(function, operands):
        (a, x), (b, y) = operands  # a number, and the sum of the magnitudes that it is made of
        if function == "multiply":
            return a * b, x * y
        whole = a + b if function == "add" else a - b
        return whole, abs(whole) if max(x, y) >= 1e6 else x + y  # the neighbours' difference is exact

    values = [Fraction(number) for number in ATOMS.values()]
    exact = build(fraction, *values)
    _, magnitude = build(bound, *((number, abs(number)) for number in values))
    found = evaluated(simplest(build, *([9] * len(ATOMS))), list(ATOMS.values()))
    assert abs(Fraction(found) - exact) <= 100 * Fraction(2) ** -53 * magnitude


def test_a_factor_out_of_range_is_not_joined_with_another():
    writer = RowWriter((9,))
    x = writer.inner.input(0)
    small = writer.inner.constant(1e-200)
    row = writer.inner.step("multiply", (small, writer.inner.step("multiply", (small, x))))
    found = simplified(ScalarDraft(tuple(writer.inner.steps), (row,)), writer)
    assert evaluated(found, [1e300]) == pytest.approx(1e-100)


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
