"""Plans of branching graphs: every order gives the sum over all paths, and the exact ones cost the least."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import dense_sizes, dense_twin, graphs, mixed_chains, seeds

import jacchain as jc
from jacchain.algebra.structure import Identity, array_shapes
from jacchain.errors import InfeasibleError, OptionError
from jacchain.planning.elimination.cuts import lower_bound
from jacchain.planning.elimination.exact import StructuredSubsets
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.move import Move, vertices
from jacchain.planning.elimination.outcome import outcome
from jacchain.planning.elimination.partial import written
from jacchain.planning.elimination.planner import plan_graph, with_identities
from jacchain.planning.elimination.planners import GRAPH_PLANNERS
from jacchain.planning.elimination.problem import prepared
from jacchain.planning.elimination.state import State, after
from jacchain.planning.node import Add, Adjoint, Local, Multiply, Tangent

DIAMOND = jc.Graph(
    {"x": 9, "s": 4, "t": 2, "y": 1}, [jc.Edge("x", "s"), jc.Edge("s", "t"), jc.Edge("s", "y"), jc.Edge("t", "y")]
)

BRIEF = {"seconds": 0.005}


def values_of(graph, seed):
    """The local Jacobian of every edge, dense."""
    rng = np.random.default_rng(seed)
    found = []
    for edge in graph.edges:
        structure = edge.link.local
        found.append(dense_twin(structure, tuple(rng.uniform(-1, 1, shape) for shape in array_shapes(structure))))
    return found


def sum_over_paths(graph, values, output, source):
    """The Jacobian by the chain rule in the order of evaluation; None where there is no path."""
    found = {source: np.eye(graph.sizes[source])}
    for vertex in sorted(graph.sizes):
        terms = [
            values[k] @ found[edge.tail]
            for k, edge in enumerate(graph.edges)
            if edge.head == vertex and edge.tail in found
        ]
        if terms and vertex != source:
            found[vertex] = sum(terms)
    return found.get(output)


def run(plan, values):
    """Every node's matrix, by NumPy."""
    made = []
    for node in plan.nodes:
        match node:
            case Local(-1, _, structure, _):
                made.append(np.eye(structure.rows))
            case Local(link, _, _, _):
                made.append(values[link])
            case Multiply(left, right, _, _):
                made.append(made[left] @ made[right])
            case Tangent(link, right, _, _):
                made.append(values[link] @ made[right])
            case Adjoint(left, link, _, _):
                made.append(made[left] @ values[link])
            case Add(left, right, _, _):
                made.append(made[left] + made[right])
        assert made[-1].shape == (node.structure.rows, node.structure.columns)
    return made


def check(plan, graph, seed):
    values = values_of(graph, seed)
    made = run(plan, values)
    for (output, source), root in zip(graph.requests, plan.roots, strict=True):
        expected = sum_over_paths(graph, values, output, source)
        if root is None:
            assert expected is None
        else:
            np.testing.assert_allclose(made[root], expected, atol=1e-9)
    assert plan.flops == sum(node.flops for node in plan.nodes)
    assert plan.lower_bound <= plan.flops


@pytest.mark.parametrize("planner", GRAPH_PLANNERS)
@given(graph=graphs(), seed=seeds)
@settings(max_examples=25)
def test_every_planner_gives_the_sum_over_paths(planner, graph, seed):
    plan = plan_graph(graph, planner=planner, **BRIEF)
    check(plan, graph, seed)
    assert plan.flops <= plan.baselines["forward"].flops or planner in ("reverse", "markowitz")


@pytest.mark.parametrize("planner", GRAPH_PLANNERS)
@given(graph=graphs(interior=4, structured=True), seed=seeds, unit_free=st.booleans())
@settings(max_examples=25)
def test_so_it_does_with_any_links(planner, graph, seed, unit_free):
    check(plan_graph(graph, planner=planner, unit_free=unit_free, **BRIEF), graph, seed)


@given(graphs(), st.sampled_from(["forward", "reverse", "markowitz"]))
def test_a_baseline_is_what_its_planner_costs(graph, name):
    assert plan_graph(graph, planner="optimal").baselines[name].flops == plan_graph(graph, planner=name).flops


@given(graphs(interior=6))
def test_optimal_equals_exhaustive(graph):
    found = plan_graph(graph, planner="optimal")
    assert found.flops == found.lower_bound == plan_graph(graph, planner="exhaustive").flops
    assert found.flops <= min(baseline.flops for baseline in found.baselines.values())


@given(graphs(interior=4, structured=True), st.booleans())
def test_optimal_equals_exhaustive_with_any_links_but_on_paths(graph, unit_free):
    found = plan_graph(graph, planner="optimal", unit_free=unit_free)
    tried = plan_graph(graph, planner="exhaustive", unit_free=unit_free)
    if all(edge.link.tangent_cost is None is edge.link.adjoint_cost for edge in graph.edges):
        assert found.flops == tried.flops
    assert found.flops <= tried.flops  # on a path, links may be applied one after another and vertices never go


@given(graphs(interior=6))
def test_both_searches_over_sets_find_the_same_cost(graph):
    problem = prepared(graph)
    found = outcome(problem, vertices(StructuredSubsets(problem).order()))
    assert found.flops == plan_graph(graph, planner="optimal").flops


@given(graphs(), st.randoms(use_true_random=False))
def test_no_order_of_vertices_goes_below_the_lower_bound(graph, random):
    problem = prepared(graph)
    order = list(problem.interior)
    random.shuffle(order)
    assert lower_bound(problem) <= after(problem, vertices(order)).cost


@given(graphs(), seeds, st.randoms(use_true_random=False))
def test_edges_can_be_eliminated_in_any_order_from_either_side(graph, seed, random):
    problem = prepared(graph)
    state = State(problem)
    moves = []
    for _ in range(12):
        inner = [(t, h) for t, near in enumerate(state.onward) for h in near if t in state.left or h in state.left]
        if not inner:
            break
        tail, head = random.choice(inner)
        sides = [("back", tail)] * (tail in state.left) + [("front", head)] * (head in state.left)
        moves.append(Move(random.choice(sides)[0], tail, head))
        state.apply(moves[-1])
    found = outcome(problem, moves)
    plan = plan_graph(graph, planner="forward")
    nodes, roots = written(problem, with_identities(problem, found))
    check(replace(plan, nodes=tuple(nodes), roots=tuple(roots), flops=found.flops, lower_bound=0), graph, seed)


@given(graphs(interior=4, structured=True), st.booleans())
def test_a_plan_survives_its_document(graph, unit_free):
    plan = plan_graph(graph, planner="auto", unit_free=unit_free, **BRIEF)
    assert GraphPlan.from_json(plan.to_json()) == plan


@given(mixed_chains(longest=6))
def test_on_a_path_optimal_is_the_optimum_of_the_chain(chain):
    sizes = dict(enumerate(chain.sizes))
    graph = jc.Graph(sizes, [jc.Edge(k, k + 1, link) for k, link in enumerate(chain.links)], [(len(chain), 0)])
    assert plan_graph(graph, planner="optimal", unit_free=True).flops == jc.plan(chain).flops
    assert plan_graph(graph, unit_free=True).flops == jc.plan(graph).flops


@given(dense_sizes(longest=8))
def test_on_a_path_the_search_over_sets_is_the_dynamic_program_of_chains(sizes):
    graph = jc.Graph(dict(enumerate(sizes)), [jc.Edge(k, k + 1) for k in range(len(sizes) - 1)])
    problem = prepared(graph)
    found = outcome(problem, vertices(StructuredSubsets(problem).order()))
    assert found.flops == jc.plan(sizes).flops


def test_plan_takes_graphs_of_any_shape():
    found = jc.plan(DIAMOND)
    assert isinstance(found, GraphPlan)
    assert found.flops == 44
    assert str(found).splitlines()[0] == "auto: t s"
    line = jc.Graph({"x": 3, "s": 2, "y": 1}, [jc.Edge("x", "s"), jc.Edge("s", "y")])
    assert isinstance(jc.plan(line), jc.Plan)
    assert isinstance(jc.plan(line, planner="reverse"), jc.Plan)
    assert isinstance(jc.plan(line, planner="markowitz"), GraphPlan)
    assert isinstance(jc.plan(line, unit_free=True), GraphPlan)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"planner": "meet"}, "unknown planner 'meet'\n.*markowitz"),
        ({"seconds": 0}, "seconds is 0, not a time"),
        ({"seconds": float("nan")}, "seconds is nan, not a time"),
        ({"seed": -1}, "seed is -1"),
        ({"workers": 2}, "workers is 2, but the graph branches"),
        ({"tangents": 1}, "tangents is 1, but the graph branches"),
        ({"chunk_size": 3}, "chunk_size is 3, but the graph branches"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        jc.plan(DIAMOND, **options)


def test_a_plan_that_does_not_fit_names_its_peak():
    with pytest.raises(InfeasibleError, match="holds 392 bytes at its fullest, but memory is 100 bytes\ngive at least"):
        jc.plan(DIAMOND, memory=100)
    assert jc.plan(DIAMOND, memory=392).peak == 392


def test_a_graph_with_too_many_orders_names_other_planners():
    edges = [jc.Edge(tail, head) for head in range(40) for tail in range(head)]
    graph = jc.Graph(dict.fromkeys(range(40), 1), edges)
    with pytest.raises(InfeasibleError, match=r"38 interior vertices in one part.*\ntake planner='auto'"):
        plan_graph(graph, planner="exhaustive")


def test_products_by_units_are_free_only_where_asked_for():
    unit = jc.Link(3, 3, structure="negation")
    graph = jc.Graph({"x": 3, "s": 3, "y": 3}, [jc.Edge("x", "s"), jc.Edge("s", "y", unit), jc.Edge("x", "y")])
    assert plan_graph(graph).flops == 9
    assert plan_graph(graph, unit_free=True).flops == 0


def test_requested_vertices_in_between_cost_nothing_more():
    sizes = {"x": 5, "s": 4, "y": 3}
    edges = [jc.Edge("x", "s"), jc.Edge("s", "y")]
    pairs = [("y", "x"), ("s", "x"), ("y", "s"), ("s", "s"), ("x", "y")]
    found = plan_graph(jc.Graph(sizes, edges, pairs))
    assert found.flops == 60
    assert [root is None for root in found.roots] == [False, False, False, False, True]
    assert found.nodes[found.roots[3]] == Local(-1, "given", Identity(4), 0)


def test_a_link_is_applied_where_that_is_cheaper_than_forming_it():
    free = jc.Link(100, 100, tangent_cost=200, adjoint_cost=200)
    sizes = {"x": 100, "s": 100, "t": 100, "y": 1}
    graph = jc.Graph(sizes, [jc.Edge("x", "s", free), jc.Edge("s", "t", free), jc.Edge("t", "y"), jc.Edge("s", "y")])
    found = plan_graph(graph, planner="optimal")
    assert sum(isinstance(node, Adjoint) for node in found.nodes) == 2
    assert found.flops == 400
    limited = jc.Link(100, 100, tangent_cost=200, adjoint_cost=200, tape=7)
    graph = jc.Graph(sizes, [jc.Edge("x", "s", limited), jc.Edge("s", "t", free), jc.Edge("t", "y"), jc.Edge("s", "y")])
    assert not any(isinstance(node, Adjoint) and node.link == 0 for node in plan_graph(graph, tape_limit=6).nodes)


@given(graphs())
def test_names_of_vertices_do_not_matter(graph):
    named = jc.Graph(
        {f"v{vertex}": size for vertex, size in graph.sizes.items()},
        [jc.Edge(f"v{edge.tail}", f"v{edge.head}", edge.link) for edge in graph.edges],
        [(f"v{output}", f"v{source}") for output, source in graph.requests],
    )
    one, other = plan_graph(graph, **BRIEF), plan_graph(named, **BRIEF)
    assume(one.lower_bound == one.flops)  # nothing was searched for in seconds
    assert (one.flops, one.nodes, one.roots) == (other.flops, other.nodes, other.roots)


def cheapest_of_all_orders(graph):
    """Return the least cost over all orders of vertices of a dense graph, by a dynamic program over all sets of them.

    What eliminating a vertex costs after a set of others does not depend on their order: it has an edge from whatever
    reaches it through the set, and one to whatever it reaches so.
    """
    heads, tails = {e.head for e in graph.edges}, {e.tail for e in graph.edges}
    interior = sorted(heads & tails)
    onward = {v: {e.head for e in graph.edges if e.tail == v} for v in graph.sizes}
    backward = {v: {e.tail for e in graph.edges if e.head == v} for v in graph.sizes}

    def through(vertex, near, gone):
        found, waiting = set(), list(near[vertex])
        while waiting:
            other = waiting.pop()
            if other not in found:
                found.add(other)
                waiting += near[other] if other in gone else ()
        return sum(graph.sizes[other] for other in found - gone)

    best = {frozenset(): 0}
    for count in range(len(interior)):
        for gone in [s for s in best if len(s) == count]:
            for vertex in set(interior) - gone:
                cost = graph.sizes[vertex] * through(vertex, backward, gone) * through(vertex, onward, gone)
                after = gone | {vertex}
                best[after] = min(best.get(after, cost + best[gone]), cost + best[gone])
    return best[frozenset(interior)]


@pytest.mark.parametrize("most", [1, 5])
@pytest.mark.parametrize("interior", [10, 11, 12])
def test_optimal_equals_all_orders_of_up_to_twelve_vertices(interior, most):
    rng = random.Random(100 * interior + most)
    for _ in range(4):
        count = interior + 4
        pairs = {(head - rng.randint(1, min(4, head)), head) for head in range(2, count) for _ in range(2)}
        edges = [jc.Edge(tail, head) for tail, head in sorted(pairs)]
        kept = {v for edge in edges for v in (edge.tail, edge.head)}
        sizes = {v: rng.randint(1, most) for v in sorted(kept)}
        graph = jc.Graph(sizes, edges)
        found = plan_graph(graph, planner="optimal")
        assert len(found.order) <= 12
        assert found.flops == cheapest_of_all_orders(graph)
