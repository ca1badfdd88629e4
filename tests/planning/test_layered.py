"""Graphs as chains of layers: every cutting is a chain, each chain is bracketed at the least cost, and some win."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dense_sizes, graphs

import jacchain as jc
from jacchain.errors import InfeasibleError
from jacchain.planning.elimination.layer_prices import BlockPrices, DensePrices
from jacchain.planning.elimination.layered import bracketed, layered
from jacchain.planning.elimination.layers import cuttings
from jacchain.planning.elimination.partial import formed, initial
from jacchain.planning.elimination.paths import path_sums
from jacchain.planning.elimination.planner import plan_graph
from jacchain.planning.elimination.planners import LEAST_CHAINS
from jacchain.planning.elimination.problem import prepared
from jacchain.planning.elimination.search import search
from jacchain.planning.elimination.state import after

PLENTY = 10**9

any_graph = st.one_of(graphs(), graphs(interior=4, structured=True))


def blocks_of(problem, cutting):
    links = {arc.link: formed(problem, initial(problem, arc.link)) for arc in problem.arcs}
    return BlockPrices(problem, cutting, links, limit=PLENTY)


def bracketings(low, high):
    """Every way to split an interval and what it falls into."""
    if high - low == 1:
        yield []
    for middle in range(low + 1, high):
        for left in bracketings(low, middle):
            for right in bracketings(middle, high):
                yield [*left, *right, (low, middle, high)]


def total(prices, splits, low, high):
    if high - low == 1:
        return 0
    middle = splits[low, high]
    rest = total(prices, splits, low, middle) + total(prices, splits, middle, high)
    return rest + prices.price(low, middle, high)


@given(graphs(), st.sampled_from([PLENTY, 60, 10]))
def test_every_cutting_is_a_chain_of_layers(graph, limit):
    problem = prepared(graph)
    for cutting in cuttings(problem, limit=limit):
        assert sorted(arc for step in cutting.steps for arc in step) == sorted(problem.arcs)
        for step, (before, behind) in zip(cutting.steps, pairwise(cutting.layers), strict=True):
            assert {arc.tail for arc in step} <= set(before)
            assert {arc.head for arc in step} <= set(behind)
            assert set(behind) - set(before) <= {arc.head for arc in step}
        ends = {vertex for pair in problem.requests if pair for vertex in pair}
        assert set(cutting.layers[0]) | set(cutting.layers[-1]) == ends


@given(graphs(interior=4))
@settings(max_examples=25)
def test_no_bracketing_of_a_chain_is_cheaper(graph):
    problem = prepared(graph)
    for cutting in cuttings(problem, limit=PLENTY):
        count = len(cutting.steps)
        if 1 < count < 7:
            prices = DensePrices(problem, cutting)
            least = total(prices, bracketed(prices, count), 0, count)
            assert least == min(sum(prices.price(*split) for split in found) for found in bracketings(0, count))


@given(graphs())
def test_both_prices_of_dense_links_are_the_same(graph):
    problem = prepared(graph)
    for cutting in cuttings(problem, limit=1000):
        count = len(cutting.steps)
        dense, blocks = DensePrices(problem, cutting), blocks_of(problem, cutting)
        splits = bracketed(blocks, count)
        assert splits == bracketed(dense, count)
        for (low, high), middle in splits.items():
            assert dense.price(low, middle, high) == blocks.price(low, middle, high)


@given(graphs(), st.integers(1, 2000))
def test_finer_chains_cost_no_more(graph, limit):
    problem = prepared(graph)
    try:
        coarse = layered(problem, limit=limit)
    except InfeasibleError:
        return
    assert layered(problem, limit=PLENTY).flops <= coarse.flops


@given(dense_sizes(longest=8))
def test_on_a_path_the_layers_are_the_chain(sizes):
    graph = jc.Graph(dict(enumerate(sizes)), [jc.Edge(k, k + 1) for k in range(len(sizes) - 1)])
    problem = prepared(graph)
    found = layered(problem)
    assert found.flops == jc.plan(sizes).flops
    assert sorted(found.order) == list(problem.interior)


@given(any_graph, st.booleans())
def test_what_is_chained_is_the_sum_over_paths(graph, unit_free):
    plan = plan_graph(graph, planner="layered", unit_free=unit_free)
    assert all(path_sums(plan))
    assert plan.flops == sum(node.flops for node in plan.nodes)
    assert sorted(plan.order) == sorted(plan_graph(graph, planner="forward").order)


@pytest.mark.parametrize("planner", ["auto", "search"])
@given(graph=graphs())
@settings(max_examples=30)
def test_a_plan_is_never_dearer_than_its_chains_of_layers(planner, graph):
    problem = prepared(graph)
    try:
        rival = layered(problem, limit=LEAST_CHAINS)
    except InfeasibleError:
        return
    assert plan_graph(graph, planner=planner, seconds=0.005).flops <= rival.flops


def test_a_chain_too_long_to_bracket_names_other_planners():
    count = 600
    edges = [jc.Edge(k, k + step) for k in range(count) for step in (1, 2) if k + step < count]
    with pytest.raises(InfeasibleError, match=r"598 interior vertices in one part.*\ntake planner='auto'"):
        plan_graph(jc.Graph(dict.fromkeys(range(count), 1), edges), planner="layered")


def test_a_chain_of_layers_can_be_cheaper_than_any_order_of_vertices_and_what_a_search_finds():
    links = {
        "dense": None,
        "diagonal": jc.Link(4, 4, structure="diagonal"),
        "same": jc.Link(4, 4, structure="identity"),
    }
    edges = [
        *[("a", "d", "dense"), ("d", "e", "diagonal"), ("e", "f", "dense"), ("b", "f", "dense")],
        *[("e", "g", "diagonal"), ("f", "g", "diagonal"), ("f", "h", "dense"), ("f", "k", "same")],
        *[("g", "k", "dense"), ("e", "m", "dense"), ("k", "m", "dense"), ("g", "n", "dense")],
    ]
    graph = jc.Graph(dict.fromkeys("abdefghkmn", 4), [jc.Edge(tail, head, links[kind]) for tail, head, kind in edges])
    problem = prepared(graph, unit_free=True)
    assert plan_graph(graph, planner="exhaustive", unit_free=True).flops == 704
    assert after(problem, search(problem, seconds=60.0, steps=10_000)).cost == 704
    assert layered(problem).flops == 672
    plan = plan_graph(graph, unit_free=True)
    assert plan.flops == 672
    assert all(path_sums(plan))
    assert plan.reason.endswith("as a chain of 13 layers; no order of vertices is cheaper")
