"""Plans of branching graphs as text, tables, diagrams and pictures."""

import csv
import json
import random
from io import StringIO
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import graphs

import jacchain as jc
from jacchain.errors import InfeasibleError, OptionError
from jacchain.planning.elimination.eliminations import eliminations, held_bytes
from jacchain.planning.elimination.graph_comparison import compare_graph_planners
from jacchain.planning.elimination.planner import plan_graph
from jacchain.planning.elimination.planners import GRAPH_PLANNERS
from jacchain.report.diagram import dot_text, mermaid_text
from jacchain.report.explanation import explanation_json, explanation_text
from jacchain.report.graphs.comparison import graph_comparison_csv, graph_comparison_json, graph_comparison_text
from jacchain.report.layout import WIDTH
from jacchain.report.plots.layers import layered
from jacchain.report.steps import steps_csv
from jacchain.report.text import plan_text

GRAPH = jc.Graph(
    {"x": 9, "s": 4, "t": 4, "u": 2, "y": 1},
    [
        jc.Edge("x", "s"),
        jc.Edge("s", "t", jc.Link(4, 4, structure="diagonal")),
        jc.Edge("s", "u"),
        jc.Edge("t", "u"),
        jc.Edge("u", "y"),
        jc.Edge("t", "y"),
    ],
)


def _random(vertices, *, size=60, name=str, seed=0):
    dice = random.Random(seed)
    sizes = {name(k): dice.randint(1, size) for k in range(vertices)}
    pairs = [(dice.randrange(max(0, head - 9), head), head) for head in range(1, vertices) for _ in range(2)]
    return jc.Graph(sizes, [jc.Edge(name(tail), name(head)) for tail, head in pairs])


GRAPHS = {
    "small": GRAPH,
    "no path": jc.Graph({"x": 2, "y": 3}, [], [("y", "x"), ("y", "y")]),
    "scalars": _random(30, size=1, name=int),
    "two hundred vertices": _random(200),
    "long names": _random(25, name=lambda k: f'the vertex of a rather\n long name {k} <&">'),
    "huge sizes": jc.Graph({"x": 10**40, "s": 10**30, "y": 10**35}, [jc.Edge("x", "s"), jc.Edge("s", "y")]),
}
PLANS = {name: plan_graph(graph, planner="reverse") for name, graph in GRAPHS.items()}


def test_a_plan_of_a_graph_is_printed():
    assert plan_text(plan_graph(GRAPH)).splitlines() == [
        "graph     5 vertices, 6 edges",
        "inputs    x(9)",
        "outputs   y(1)",
        "interior  s(4), t(4), u(2)",
        "order     u t s",
        "because   reverse and greedy elimination are as cheap as any found; no order of",
        "          vertices is cheaper",
        "peak      392 B",
        "",
        "planner     multiplications   ratio",
        "auto                     56    1.00",
        "forward                 234    4.18",
        "reverse                  56    1.00",
        "markowitz                56    1.00",
    ]


def test_a_plan_of_a_graph_is_explained_vertex_by_vertex_and_step_by_step():
    text = explanation_text(plan_graph(GRAPH))
    assert text.splitlines()[7:18] == [
        "cost      56 multiplications: 4 products, 2 sums; of 5 each needs the one before",
        "peak      392 B",
        "",
        "eliminated   size   products   sums   multiplications    share",
        "1  u            2          2      1                16   28.6 %",
        "2  t            4          1      1                 4    7.1 %",
        "3  s            4          1      -                36   64.3 %",
        "",
        "step      how       from       result      multiplications   held",
        "y:u       local     F5         dense 1x2                 -   16 B",
        "u:s       local     F3         dense 2x4                 -   80 B",
    ]
    assert "y:t#3     add       y:t y:t#2  dense 1x4                 -  128 B" in text
    assert "s         is the costliest to eliminate: 64.3 % of the multiplications" in text
    assert "takes 4 times fewer multiplications because an operand is diagonal" in text


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("write", [plan_text, explanation_text])
def test_reports_are_at_most_80_columns_wide(plan, write):
    lines = write(plan).split("\n")
    if max(plan.graph.sizes.values()) < 10**12:  # single numbers are never cut
        assert max(map(len, lines)) <= WIDTH
    assert not any(line != line.rstrip() for line in lines)
    assert len(lines) <= 150


@given(graphs() | graphs(structured=True), st.sampled_from(sorted(GRAPH_PLANNERS)))
@settings(max_examples=60)
def test_reports_tell_the_plan(graph, planner):
    try:
        plan = plan_graph(graph, planner=planner, seconds=0.01)
    except InfeasibleError:
        return
    rows = eliminations(plan)
    assert sum(row.flops for row in rows) == plan.flops
    assert tuple(row.vertex for row in rows if row.vertex is not None) == plan.order
    assert max(held_bytes(plan), default=0) == plan.peak
    steps = list(csv.DictReader(StringIO(steps_csv(plan))))
    assert sum(int(step["multiplications"]) for step in steps) == plan.flops
    assert len({step["step"] for step in steps}) == len(steps) == len(plan.nodes)
    assert json.loads(explanation_json(plan))["plan"]["flops"] == plan.flops
    assert explanation_text(plan).count("\n") >= len(rows)
    assert dot_text(plan).count("->") == mermaid_text(plan).count("-->") == len(graph.edges)


@pytest.mark.parametrize("graph", [GRAPHS[name] for name in ("small", "no path", "scalars")])
def test_all_planners_stand_side_by_side(graph):
    rivals = compare_graph_planners(graph, seconds=0.05)
    assert {rival.planner for rival in rivals} == set(GRAPH_PLANNERS)
    text = graph_comparison_text(graph, rivals)
    assert max(map(len, text.split("\n"))) <= WIDTH
    found = json.loads(graph_comparison_json(graph, rivals))["planners"]
    rows = {row["planner"]: row for row in csv.DictReader(StringIO(graph_comparison_csv(rivals)))}
    for rival in rivals:
        if rival.plan is None:
            assert found[rival.planner]["status"] == ("skipped" if rival.is_skipped else "infeasible")
            assert rival.obstacle in " ".join(text.split())
        else:
            assert found[rival.planner]["flops"] == rival.plan.flops == int(rows[rival.planner]["flops"])


@given(graphs(interior=12))
def test_drawn_edges_go_to_the_right_and_no_two_vertices_meet(graph):
    found = layered(graph)
    assert set(found.places) == set(graph.sizes)
    for (tail, head), route in found.routes.items():
        assert (route[0], route[-1]) == (found.places[tail], found.places[head])
        assert [x for x, _ in route] == [route[0][0] + k for k in range(len(route))]
    places = sorted(found.places.values())
    assert all(x0 < x1 or y1 - y0 >= 0.99 for (x0, y0), (x1, y1) in pairwise(places))


@pytest.mark.parametrize("name", ["small", "no path", "scalars", "long names", "huge sizes"])
def test_graphs_are_drawn(name):
    pytest.importorskip("matplotlib")
    from jacchain.report.plots.graph import graph_figure
    from jacchain.report.plots.style import saved

    content = saved(graph_figure(PLANS[name]), "svg")
    assert ElementTree.fromstring(content).tag.endswith("svg")
    assert saved(graph_figure(PLANS[name]), "svg") == content


def test_a_graph_that_is_too_large_is_not_drawn():
    pytest.importorskip("matplotlib")
    from jacchain.report.plots.graph import graph_figure

    with pytest.raises(OptionError, match="a picture of 400 vertices"):
        graph_figure(plan_graph(_random(400), planner="reverse"))
