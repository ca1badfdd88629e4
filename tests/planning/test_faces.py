"""Eliminations of faces: near an order of vertices, they cost as much or less, and give the same Jacobians."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import graphs

import jacchain as jc
from jacchain.planning.elimination.bundle import together
from jacchain.planning.elimination.faces import Faces, by_faces
from jacchain.planning.elimination.greedy import ORDERS
from jacchain.planning.elimination.outcome import cost
from jacchain.planning.elimination.partial import written
from jacchain.planning.elimination.planner import plan_graph
from jacchain.planning.elimination.problem import prepared
from jacchain.planning.node import Add, Local, Multiply


def total(problem, edges):
    return cost([together(problem, bundle) for bundle in edges.values()])


@given(graphs(structured=True), st.sampled_from(sorted(ORDERS)), st.booleans())
def test_faces_vertex_by_vertex_cost_what_the_vertices_do(graph, name, unit_free):
    problem = prepared(graph, unit_free=unit_free)
    order = ORDERS[name](problem)
    found = by_faces(problem, order, trials=1, seed=0)
    if found is None:  # a link that is matrix-free
        return
    expected = plan_graph(graph, planner=name, unit_free=unit_free).flops
    assert found.flops == expected == total(problem, found.edges)


@given(graphs(), st.integers(0, 100))
@settings(max_examples=50)
def test_faces_in_any_order_leave_the_sum_over_all_paths(graph, seed):
    problem = prepared(graph)
    state, rng = Faces(problem), random.Random(seed)
    while faces := state.faces():
        state.eliminate(rng.choice(faces))
    values = [rng.uniform(0.5, 2.0) for _ in graph.edges]
    numbers: dict[int, float] = {}
    ends = {(edge.tail, edge.head): edge.partial for edge in state.edges.values()}
    roots = [ends.get(pair) if pair else None for pair in problem.requests]
    nodes, places = written(problem, roots)
    for k, node in enumerate(nodes):
        match node:
            case Local(link=link):
                numbers[k] = values[link] if link >= 0 else 1.0
            case Multiply(left=left, right=right):
                numbers[k] = numbers[left] * numbers[right]
            case Add(left=left, right=right):
                numbers[k] = numbers[left] + numbers[right]
    for pair, place in zip(graph.requests, places, strict=True):
        if place is not None:
            np.testing.assert_allclose(numbers[place], paths(graph, values, *pair), rtol=1e-10)


def paths(graph, values, output, source):
    if output == source:
        return 1.0
    return sum(
        v * paths(graph, values, e.tail, source) for e, v in zip(graph.edges, values, strict=True) if e.head == output
    )


def test_faces_can_cost_less_than_every_order_of_vertices():
    rng = random.Random(1)
    cheaper = 0
    for _ in range(120):
        count = rng.randint(2, 7) + 4
        most = rng.choice([1, 4])
        pairs = {(head - rng.randint(1, min(4, head)), head) for head in range(2, count) for _ in range(2)}
        kept = sorted({v for pair in pairs for v in pair})
        graph = jc.Graph({v: rng.randint(1, most) for v in kept}, [jc.Edge(a, b) for a, b in sorted(pairs)])
        plan, problem = plan_graph(graph, planner="optimal"), prepared(graph)
        order = [problem.vertices.index(vertex) for vertex in plan.order]
        found = by_faces(problem, order, trials=60, seed=0)
        assert found.flops <= plan.flops
        cheaper += found.flops < plan.flops
    assert cheaper >= 1


def test_matrix_free_links_are_left_to_vertices():
    links = jc.Link(3, 2, tangent_cost=4), jc.Link(2, 3)
    graph = jc.Graph({"x": 3, "s": 2, "y": 3}, [jc.Edge("x", "s", links[0]), jc.Edge("s", "y", links[1])])
    assert by_faces(prepared(graph), [1], trials=1, seed=0) is None
