"""The search for cheap orders of eliminations: what it counts, and that it finds what there is to find."""

from itertools import permutations
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import graphs, seeds

from jacchain.algebra.structure import Diagonal, Identity
from jacchain.planning.elimination import search as searching
from jacchain.planning.elimination.exact import cheapest_order
from jacchain.planning.elimination.greedy import forward, markowitz, reverse
from jacchain.planning.elimination.move import Move, vertices
from jacchain.planning.elimination.outcome import outcome
from jacchain.planning.elimination.part import parts
from jacchain.planning.elimination.problem import Problem, prepared
from jacchain.planning.elimination.search import search
from jacchain.planning.elimination.search_bits import Plain, Sized, is_counted, is_scalar
from jacchain.planning.elimination.search_bundles import Bundled
from jacchain.planning.elimination.search_course import Course
from jacchain.planning.elimination.state import State, after
from jacchain.planning.graph import Edge, Graph
from jacchain.planning.link import Link

STEPS = 1500
LONG = 1000.0
"""Seconds that never count, so that only the number of eliminations tried does."""


def random_graph(seed: int, *, interior: int = 10, ends: int = 4, sizes: int = 1, units: float = 0.0) -> Graph:
    """A graph whose edges are mostly short, some of them identities."""
    rng = Random(seed)
    count = interior + 2 * ends
    size = {vertex: rng.randint(1, sizes) for vertex in range(count)}
    edges = []
    for head in range(ends, count):
        for tail in range(min(head, count - ends)):
            if rng.random() < 0.5 / (1 + (head - tail) ** 0.5) * 3 / 2:
                is_unit = size[tail] == size[head] and rng.random() < units
                structure = rng.choice([Identity(size[tail]), Diagonal(size[tail])]) if is_unit else None
                edges.append(Edge(tail, head, Link(size[tail], size[head], structure=structure)))
    return Graph(size, edges)


def cost(problem: Problem, moves: list[Move]) -> int:
    return after(problem, moves).cost


def possible(state: State) -> list[Move]:
    """All moves that a state allows."""
    found = [Move("vertex", vertex) for vertex in sorted(state.left)]
    for tail, heads in enumerate(state.onward):
        for head in heads:
            if tail in state.left and state.backward[tail]:
                found.append(Move("back", tail, head))
            if head in state.left and state.onward[head]:
                found.append(Move("front", tail, head))
    return found


def rules_for(problem: Problem):
    """All rules that count a problem."""
    found = [Bundled(problem)]
    if is_counted(problem):
        found.append(Sized(problem))
    if is_scalar(problem):
        found.append(Plain(problem))
    return found


any_graph = st.one_of(
    graphs(most=1),
    graphs(),
    graphs(structured=True, most=1),
    graphs(structured=True),
    st.builds(random_graph, seeds, units=st.sampled_from([0.0, 0.5])),
    st.builds(random_graph, seeds, sizes=st.just(5), units=st.just(0.5)),
)


@given(any_graph, st.booleans(), seeds)
def test_the_search_counts_what_a_plan_counts(graph, unit_free, seed):
    problem, rng = prepared(graph, unit_free=unit_free), Random(seed)
    state, rules = State(problem), rules_for(problem)
    states = [each.start for each in rules]
    while state.left:
        move = rng.choice(possible(state))
        if move.kind == "vertex":
            prices = [each.price(here, move.tail) for each, here in zip(rules, states, strict=True)]
            without = [each.eliminated(here, move.tail) for each, here in zip(rules, states, strict=True)]
        made = [each.applied(here, move) for each, here in zip(rules, states, strict=True)]
        states = [found for found, _ in made]
        expected = state.apply(move)
        assert [found for _, found in made] == [expected] * len(rules)
        if move.kind == "vertex":
            assert prices == [found for _, found, _ in without] == [expected] * len(rules)
            assert all(each.same(a, b[0]) for each, a, b in zip(rules, states, without, strict=True))
        for each, here in zip(rules, states, strict=True):
            for vertex in range(len(problem.sizes)):
                before, behind = each.edges(here, vertex)
                assert (set(before), set(behind)) == (set(state.backward[vertex]), set(state.onward[vertex]))


@given(any_graph, st.booleans(), seeds)
@settings(max_examples=60)
def test_the_search_never_costs_more_than_the_textbook_orders(graph, unit_free, seed):
    problem = prepared(graph, unit_free=unit_free)
    found = cost(problem, search(problem, seconds=LONG, seed=seed, steps=300))
    assert found <= min(cost(problem, vertices(order(problem))) for order in (forward, reverse, markowitz))


@given(any_graph, st.booleans(), seeds)
def test_a_course_knows_its_costs_and_states_whatever_was_shifted(graph, unit_free, seed):
    problem, rng = prepared(graph, unit_free=unit_free), Random(seed)
    assume(len(problem.interior) > 1)
    for rules in rules_for(problem):
        course = Course(rules, rules.start, problem.interior)
        for _ in range(5):
            low, high = sorted(rng.sample(range(len(problem.interior) + 1), 2))
            course.replace(low, high, rng.sample(course.order[low:high], high - low), rng.choice([0, 5, 1000]))
        again = Course(rules, rules.start, course.order)
        assert (course.total, course.costs, course.near) == (again.total, again.costs, again.near)
        assert all(rules.same(a, b) for a, b in zip(course.states, again.states, strict=True))
        assert course.total == sum(course.costs)


@pytest.mark.parametrize(("sizes", "units", "least"), [(1, 0.0, 7), (6, 0.0, 7), (1, 0.5, 7), (3, 0.5, 4)])
def test_the_search_finds_an_optimum_of_small_graphs_in_at_least_95_of_100(sizes, units, least):
    reached, count = 0, 25
    for seed in range(count):
        problem = prepared(random_graph(seed, interior=least + seed % 6, sizes=sizes, units=units), unit_free=True)
        optimum = cost(problem, vertices([vertex for part in parts(problem) for vertex in cheapest_order(part)]))
        reached += cost(problem, search(problem, seconds=LONG, steps=4 * STEPS)) <= optimum
    assert reached >= 0.95 * count


def test_equal_seeds_give_equal_moves():
    problem = prepared(random_graph(1, interior=30))
    one, other = (search(problem, seconds=LONG, seed=7, steps=STEPS) for _ in range(2))
    assert one == other


def test_more_tries_of_one_seed_do_not_cost_the_textbook_order():
    problem = prepared(random_graph(2, interior=40))
    costs = [cost(problem, search(problem, seconds=LONG, steps=steps)) for steps in (1, 20_000)]
    assert costs[1] < costs[0] <= cost(problem, vertices(markowitz(problem)))


def test_eliminating_edges_costs_less_than_any_order_of_vertices():
    tails = {5: (0, 1, 3, 4), 6: (0, 5), 7: (0, 6), 8: (0, 1, 3, 4, 7), 9: (2, 4, 7)}
    graph = Graph(dict.fromkeys(range(10), 1), [Edge(tail, head) for head in tails for tail in tails[head]])
    problem = prepared(graph)
    least = min(cost(problem, vertices(order)) for order in permutations(problem.interior))
    found = search(problem, seconds=LONG, steps=20_000)
    assert (outcome(problem, found).flops, least) == (13, 14)
    assert {move.kind for move in found} > {"vertex"}


def test_no_time_left_gives_the_best_textbook_order():
    problem = prepared(random_graph(3, interior=40))
    least = min(cost(problem, vertices(order(problem))) for order in (forward, reverse, markowitz))
    assert cost(problem, search(problem, seconds=1e-9)) == least


@pytest.mark.parametrize("sizes", [1, 4])
def test_a_long_order_is_searched_by_windows(monkeypatch, sizes):
    monkeypatch.setattr(searching, "WINDOW", 8)
    problem = prepared(random_graph(4, interior=30, sizes=sizes, units=0.5), unit_free=True)
    found = search(problem, seconds=LONG, steps=8000)
    assert sorted(move.tail for move in found) == list(problem.interior)
    assert cost(problem, found) < min(cost(problem, vertices(order(problem))) for order in (forward, markowitz))


def test_graphs_with_nothing_to_choose_need_no_search():
    assert search(prepared(Graph({0: 1, 1: 1}, [Edge(0, 1)]))) == []
    assert search(prepared(Graph({0: 1, 1: 2, 2: 3}, [Edge(0, 1), Edge(1, 2)]))) == [Move("vertex", 1)]
