"""Plans of second order for graphs: every planner gives Σ Pᵀ C P, and no planner beats the optimal one."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dense_twin, ladders, seeds

from jacchain.algebra.addition import addition
from jacchain.algebra.pattern import transpose
from jacchain.algebra.product import product
from jacchain.algebra.structure import Dense, Diagonal, Identity, Kronecker, Structure, array_shapes, stored
from jacchain.algebra.symmetric import congruence
from jacchain.errors import InfeasibleError, OptionError
from jacchain.planning.elimination.planner import plan_graph
from jacchain.planning.elimination.problem import topological
from jacchain.planning.graph import Edge, Graph
from jacchain.planning.link import Link
from jacchain.planning.node import Add, Adjoint, Congruence, Curvature, Local, Multiply, Tangent, Transpose
from jacchain.planning.second.ladder import Curve, Ladder, unfolded
from jacchain.planning.second.planner import plan_second
from jacchain.planning.second.planners import SECOND_BASELINES, SECOND_PLANNERS

BRIEF = {"seconds": 0.02}


class Values:
    """Local Jacobians of a ladder's edges, and curvatures that are linear in the adjoint, as dense arrays."""

    def __init__(self, ladder, seed):
        rng = np.random.default_rng(seed)
        graph = ladder.graph
        self.locals = []
        for k in range(len(graph.edges)):
            structure = ladder.link(k).local
            self.locals.append(dense_twin(structure, [rng.uniform(-1, 1, s) for s in array_shapes(structure)]))
        self.tensors = []
        for curve in ladder.curves:
            slices = []
            for _ in range(graph.sizes[graph.edges[curve.first].head]):
                structure = curve.structure
                one = dense_twin(structure, [rng.uniform(-1, 1, s) for s in array_shapes(structure)])
                slices.append(one + one.T if curve.first == curve.second else one)
            self.tensors.append(np.stack(slices))

    def curvature(self, number, row):
        return np.tensordot(row[0], self.tensors[number], 1)


def hessian_by_formula(ladder, values):
    """The blocks Σ P_aᵀ (r·∂²f) P_b by the chain rule, and the rows r of the inputs."""
    graph, order = ladder.graph, topological(ladder.graph)
    rows = adjoints(ladder, values)
    pushed = [_pushed(graph, order, values, source) for source in ladder.inputs]
    blocks = []
    for i, j in ladder.pairs:
        total = np.zeros((graph.sizes[ladder.inputs[i]], graph.sizes[ladder.inputs[j]]))
        for number, curve in enumerate(ladder.curves):
            a, b = ladder.tails(curve)
            bent = values.curvature(number, rows[graph.edges[curve.first].head])
            total += pushed[i][a].T @ bent @ pushed[j][b]
            if curve.first != curve.second:
                total += pushed[i][b].T @ bent.T @ pushed[j][a]
        blocks.append(total)
    return blocks, [rows[vertex] for vertex in ladder.inputs]


def adjoints(ladder, values):
    """The row r of every vertex."""
    graph, order = ladder.graph, topological(ladder.graph)
    rows = {vertex: np.zeros((1, graph.sizes[vertex])) for vertex in order}
    rows[ladder.output][:] = 1
    for vertex in reversed(order):
        for k, edge in enumerate(graph.edges):
            if edge.head == vertex:
                rows[edge.tail] = rows[edge.tail] + rows[vertex] @ values.locals[k]
    return rows


def _pushed(graph, order, values, source):
    width = graph.sizes[source]
    found = {vertex: np.zeros((graph.sizes[vertex], width)) for vertex in order}
    found[source] = np.eye(width)
    for vertex in order:
        for k, edge in enumerate(graph.edges):
            if edge.tail == vertex:
                found[edge.head] = found[edge.head] + values.locals[k] @ found[vertex]
    return found


def run(plan, values):
    """Every node's matrix by NumPy, and whether it has the structure and the cost that the algebra predicts."""
    made, nodes = [], plan.nodes
    for node in nodes:
        match node:
            case Local(-1, _, structure, _):
                made.append(np.eye(structure.rows))
            case Local(link, _, _, _):
                made.append(values.locals[link])
            case Multiply(left, right, structure, flops):
                made.append(made[left] @ made[right])
                predicted = product(nodes[left].structure, nodes[right].structure)
                assert (structure, flops) == (predicted.structure, predicted.cost)
            case Tangent(link, right, _, _):
                made.append(values.locals[link] @ made[right])
            case Adjoint(left, link, _, _):
                made.append(made[left] @ values.locals[link])
            case Add(left, right, structure, flops):
                made.append(made[left] + made[right])
                predicted = addition(nodes[left].structure, nodes[right].structure)
                assert (structure, flops) == (predicted.structure, predicted.cost)
            case Curvature(curve, adjoint, _, flops):
                made.append(values.curvature(curve, made[adjoint]))
                assert flops == 0
            case Transpose(operand, structure, flops):
                made.append(made[operand].T)
                assert (structure, flops) == (transpose(nodes[operand].structure), 0)
            case Congruence(middle, factor, structure, flops):
                made.append(made[factor].T @ made[middle] @ made[factor])
                predicted = congruence(nodes[middle].structure, nodes[factor].structure)
                assert structure == predicted.structure
                first = product(nodes[middle].structure, nodes[factor].structure).cost
                is_known = any(
                    node[:2] == (middle, factor) for node in nodes[: len(made)] if isinstance(node, Multiply)
                )
                assert flops == predicted.cost - first * is_known
        assert made[-1].shape == (node.structure.rows, node.structure.columns)
        assert not np.any(made[-1][~mask(node.structure)])
    return made


def mask(structure: Structure):
    return dense_twin(structure, [np.ones(shape) for shape in array_shapes(structure)]) != 0


def check(plan, seed):
    ladder, values = plan.ladder, Values(plan.ladder, seed)
    made = run(plan, values)
    blocks, rows = hessian_by_formula(ladder, values)
    for root, expected in zip(plan.roots, blocks, strict=True):
        np.testing.assert_allclose(0 if root is None else made[root], expected, atol=1e-9)
    for root, expected in zip(plan.gradient, rows, strict=bool(plan.gradient)):
        np.testing.assert_allclose(0 if root is None else made[root], expected, atol=1e-9)
    assert plan.flops == sum(node.flops for node in plan.nodes)
    assert plan.planner not in plan.baselines or plan.flops == plan.baselines[plan.planner].flops
    assert plan.peak >= plan.itemsize * sum(stored(plan.nodes[root].structure) for root in {*plan.roots} - {None})


def planned(ladder, planner, **options):
    """A plan, or None where the ladder does not allow the planner."""
    try:
        return plan_second(ladder, planner=planner, **BRIEF, **options)
    except InfeasibleError:
        assert planner in ("forward_over_forward", "exhaustive")
        return None


@pytest.mark.parametrize("planner", SECOND_PLANNERS)
@given(ladder=ladders(), seed=seeds, gradient=st.booleans())
@settings(max_examples=25)
def test_every_planner_gives_the_sum_of_the_bent_paths(planner, ladder, seed, gradient):
    plan = planned(ladder, planner, gradient=gradient)
    if plan is not None:
        check(plan, seed)


@pytest.mark.parametrize("planner", SECOND_PLANNERS)
@given(ladder=ladders(structured=True), seed=seeds, unit_free=st.booleans())
@settings(max_examples=25)
def test_so_it_does_with_any_links(planner, ladder, seed, unit_free):
    plan = planned(ladder, planner, unit_free=unit_free)
    if plan is not None:
        check(plan, seed)


@given(ladder=ladders(), unit_free=st.booleans())
@settings(max_examples=40)
def test_no_planner_is_cheaper_than_the_optimal_one(ladder, unit_free):
    least = plan_second(ladder, unit_free=unit_free, **BRIEF)
    for planner in SECOND_PLANNERS:
        other = planned(ladder, planner, unit_free=unit_free)
        assert other is None or least.flops <= other.flops
    assert least.flops <= min(b.flops for b in least.baselines.values() if b.flops is not None)


@given(ladder=ladders(interior=3, structured=True))
@settings(max_examples=40)
def test_nor_with_any_links(ladder):
    least = plan_second(ladder, **BRIEF)
    for planner in SECOND_PLANNERS:
        other = planned(ladder, planner)
        assert other is None or least.flops <= other.flops


@given(ladder=ladders(width=1), seed=seeds)
def test_forward_over_forward_works_where_every_vertex_is_one_number(ladder, seed):
    check(plan_second(ladder, planner="forward_over_forward"), seed)


@pytest.mark.parametrize("name", SECOND_BASELINES)
@given(ladder=ladders())
@settings(max_examples=15)
def test_a_baseline_is_what_its_planner_costs(name, ladder):
    plan = planned(ladder, name)
    assert plan_second(ladder, planner="greedy").baselines[name].flops == (None if plan is None else plan.flops)


@given(ladder=ladders(interior=5), unit_free=st.booleans())
@settings(max_examples=30, deadline=None)
def test_optimal_equals_exhaustive_unless_a_mode_is_cheaper_still(ladder, unit_free):
    least = plan_second(ladder, unit_free=unit_free, seconds=1.0)
    other = plan_second(ladder, planner="exhaustive", unit_free=unit_free)
    modes = [baseline.flops for baseline in least.baselines.values() if baseline.flops is not None]
    assert least.flops == min(other.flops, *modes)


def path(sizes, kinds=None):
    """A path of dense links whose vertices bend everywhere; curvatures are dense unless told."""
    count = len(sizes)
    edges = [Edge(k, k + 1) for k in range(count - 1)]
    kinds = kinds or [Dense(size, size) for size in sizes]
    return Ladder(
        Graph(dict(enumerate(sizes)), edges, [(count - 1, 0)]), [Curve(k, k, kinds[k]) for k in range(count - 1)]
    )


@given(data=st.data(), sizes=st.lists(st.integers(1, 40), min_size=3, max_size=7), seed=seeds)
@settings(max_examples=25, deadline=None)
def test_the_intervals_of_a_path_hold_its_cheapest_order(data, sizes, seed):
    kinds = [data.draw(st.sampled_from([Dense(size, size), Diagonal(size)])) for size in sizes]
    ladder = path([*sizes, 1], kinds)
    least = plan_second(ladder, planner="search")
    assert least.flops == plan_second(ladder, planner="exhaustive").flops
    check(least, seed)


@given(sizes=st.lists(st.integers(1, 30), min_size=2, max_size=6))
def test_the_counts_of_the_modes_are_their_formulas(sizes):
    d = [*sizes, 1]
    n = len(d) - 1
    rows = sum(d[k] * d[k - 1] for k in range(2, n))
    pushed = sum(d[0] * d[k] * d[k - 1] for k in range(2, n))
    bent = sum(d[0] * d[k - 1] ** 2 for k in range(2, n + 1))
    back = sum(d[0] * d[k] * d[k - 1] for k in range(1, n))
    plan = plan_second(path(d), planner="greedy")
    for mode in ("forward_over_reverse", "reverse_over_forward", "reverse_over_reverse"):
        assert plan.baselines[mode].flops == rows + pushed + bent + back


@given(sizes=st.lists(st.integers(1, 30), min_size=2, max_size=6))
def test_edge_pushing_a_path_is_a_congruence_for_every_link(sizes):
    d = [*sizes, 1]
    n = len(d) - 1
    rows = sum(d[k] * d[k - 1] for k in range(2, n))
    pushed = sum(congruence(Dense(d[k], d[k]), Dense(d[k], d[k - 1])).cost for k in range(1, n))
    assert plan_second(path(d), planner="edge_pushing").flops == rows + pushed


def wine_network(samples=178, features=13, width=16):
    """The squared error of tanh(X W) w - y, row by row stacked."""

    def link(structure):
        return Link(structure.columns, structure.rows, structure=structure)

    hidden = samples * width
    sizes = {"W": features * width, "w": width, "z": hidden, "a": hidden, "out": samples, "square": samples, "loss": 1}
    edges = [
        Edge("W", "z", link(Kronecker(Dense(samples, features), Identity(width)))),
        Edge("z", "a", link(Diagonal(hidden))),
        Edge("a", "out", link(Kronecker(Identity(samples), Dense(1, width)))),
        Edge("w", "out", link(Dense(samples, width))),
        Edge("out", "square", link(Diagonal(samples))),
        Edge("square", "loss"),
    ]
    mixed = Kronecker(Dense(samples, 1), Identity(width))
    curves = [Curve(1, 1, Diagonal(hidden)), Curve(2, 3, mixed), Curve(4, 4, Diagonal(samples))]
    return Ladder(Graph(sizes, edges, [("loss", "W"), ("loss", "w")]), curves)


def test_the_wine_network_bends_its_outputs_last():
    plan = plan_second(wine_network())
    assert plan.order[-1] == "out"  # so that d out/dW, of 178 x 208, is made first
    assert plan.flops < 5_700_000
    assert min(baseline.flops for baseline in plan.baselines.values() if baseline.flops is not None) > 9_000_000
    assert "no order of vertices is cheaper" in plan.reason


@given(seeds)
@settings(max_examples=5)
def test_a_smaller_wine_network_is_right(seed):
    check(plan_second(wine_network(7, 3, 2)), seed)


def test_long_ladders_are_planned():
    plan = plan_second(path([3] * 1200 + [1]))
    assert len(plan.order) == 1199
    assert plan.flops == plan.baselines["edge_pushing"].flops


@given(ladder=ladders())
@settings(max_examples=10)
def test_plans_are_the_same_each_time(ladder):
    assert plan_second(ladder, **BRIEF) == plan_second(ladder, **BRIEF)


def test_a_plan_tells_how_it_was_found():
    ladder = path([5, 40, 3, 30, 2, 1])
    text = str(plan_second(ladder))
    assert text.startswith("optimal: ")
    assert "fewer multiplications than" in text
    document = json.loads(plan_second(ladder, gradient=True).to_json())
    assert document["schema"] == "jacchain.ladder-plan/v1"
    assert document["flops"] == sum(step["flops"] for step in document["steps"])
    assert [len(document[name]) for name in ("results", "gradient", "curves")] == [1, 1, 5]


def test_what_does_not_bend_has_no_hessian():
    plan = plan_second(Ladder(Graph({"x": 3, "y": 1}, [Edge("x", "y")], [("y", "x")]), []), gradient=True)
    assert plan.roots == (None,)
    assert plan.nodes[plan.gradient[0]].structure == Dense(1, 3)
    assert "zero" in plan.reason


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"planner": "forward"}, OptionError, "planner"),
        ({"seconds": 0}, OptionError, "seconds is 0"),
        ({"seed": -1}, OptionError, "seed is -1"),
        ({"planner": "forward_over_forward"}, InfeasibleError, "has 3 numbers"),
        ({"planner": "exhaustive"}, InfeasibleError, "20 interior vertices have"),
    ],
)
def test_what_cannot_be_planned_is_an_error(options, error, message):
    with pytest.raises(error, match=message):
        plan_second(path([3] * 21 + [1]), **options)


@given(ladder=ladders(), seed=seeds)
def test_the_unfolded_ladder_has_the_same_blocks(ladder, seed):
    # a planner of plain graphs, which knows nothing of symmetry, multiplies and adds up to the same matrices
    values = Values(ladder, seed)
    expected, _ = hessian_by_formula(ladder, values)
    rows = adjoints(ladder, values)
    found, matrices = unfolded(ladder), []
    for kind, number in found.sources:
        if kind in ("local", "transpose"):
            matrix = values.locals[number]
        else:
            head = ladder.graph.edges[ladder.curves[number].first].head
            matrix = values.curvature(number, rows[head])
        matrices.append(matrix.T if kind in ("transpose", "mirror") else matrix)
    plan = plan_graph(found.graph, planner="reverse")
    made = []
    for node in plan.nodes:
        match node:
            case Local(link):
                made.append(np.eye(node.structure.rows) if link < 0 else matrices[link])
            case Multiply(left, right):
                made.append(made[left] @ made[right])
            case Add(left, right):
                made.append(made[left] + made[right])
    for root, block in zip(plan.roots, expected, strict=True):
        np.testing.assert_allclose(0 if root is None else made[root], block, rtol=1e-9, atol=1e-9)
