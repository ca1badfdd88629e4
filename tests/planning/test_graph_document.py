"""Graphs and their plans as files: what is written is read again, and what is wrong is refused at its place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import graphs

import jacchain as jc
from jacchain.errors import FileError, InfeasibleError
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.planner import plan_graph
from jacchain.planning.elimination.planners import GRAPH_PLANNERS
from jacchain.planning.graph_document import graph_from_text, graph_to_json

LINK = jc.Link(4, 4, structure="diagonal", name="tanh")
GRAPH = jc.Graph(
    {"x": 9, "s": 4, "t": 4, 3: 1},
    [
        jc.Edge("x", "s"),
        jc.Edge("s", "t", LINK),
        jc.Edge("s", "t", jc.Link(4, 4, structure="negation")),
        jc.Edge("t", 3, jc.Link(4, 1, tangent_cost=6, adjoint_cost=5, tape=3)),
        jc.Edge("s", 3),
    ],
    [(3, "x"), ("t", "x"), (3, 3)],
)
PLANNERS = sorted(set(GRAPH_PLANNERS) - {"exhaustive"})


@given(graphs() | graphs(structured=True))
def test_a_graph_that_is_written_is_read_again(graph):
    found = graph_from_text(graph_to_json(graph))
    assert found == graph
    assert list(found.sizes) == list(graph.sizes)


@given(graphs() | graphs(structured=True), st.sampled_from(PLANNERS), st.booleans())
def test_a_plan_that_is_written_is_read_again(graph, planner, unit_free):
    try:
        plan = plan_graph(graph, planner=planner, unit_free=unit_free, seconds=0.01)
    except InfeasibleError:
        return
    assert GraphPlan.from_json(plan.to_json()) == plan


def test_a_graph_may_be_written_by_hand():
    graph = graph_from_text(
        """
        schema = "jacchain.graph/v1"
        vertices = [{name = "x", size = 6}, {name = "y", size = 6}, {name = 1, size = 2}]
        edges = [
            {tail = "x", head = "y", structure = {type = "block-diagonal", count = 3, rows = 2, columns = 2}},
            {tail = "y", head = 1, tangent_cost = 5},
        ]
        """
    )
    assert graph.requests == ((1, "x"),)
    assert str(graph.edges[0].link.local) == "block-diagonal 3x(2x2)"
    assert graph.edges[1].link == jc.Link(6, 2, tangent_cost=5)


def _changed(change):
    document = json.loads(graph_to_json(GRAPH))
    change(document)
    return json.dumps(document)


def _set(where, *path, value):
    *inner, last = path
    for key in inner:
        where = where[key]
    where[last] = value


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("schema",), "jacchain.graph/v9", "is of schema 'jacchain.graph/v9'"),
        (("vertices", 1, "size"), 0, r"wrong at \$.vertices\[1\]: the size of vertex 's' is 0"),
        (("vertices", 1, "size"), "4", r"wrong at \$.vertices\[1\].size: Expected `int`"),
        (("vertices", 1, "name"), "x", r"wrong at \$.vertices\[1\]: vertex 'x' stands there twice"),
        (("vertices", 1, "weight"), 3, r"wrong at \$.vertices\[1\]: Object contains unknown field `weight`"),
        (("edges", 0, "head"), "S", r"wrong at \$.edges\[0\]: unknown vertex 'S'"),
        (("edges", 0, "structure"), "diagonal", r"wrong at \$.edges\[0\]: a link of structure diagonal has 9 inputs"),
        (("edges", 0, "structure"), {"type": "kron"}, r"wrong at \$.edges\[0\].structure: unknown structure 'kron'"),
        (("edges", 3, "tangent_cost"), -6, r"wrong at \$.edges\[3\]: tangent_cost is -6"),
        (("edges", 0, "tail"), "t", r"wrong at \$.edges: the edges form a cycle"),
        (("requests", 1), ["t", "z"], r"wrong at \$.requests\[1\]: unknown vertex 'z'"),
        (("requests", 1), ["t"], r"wrong at \$.requests\[1\]: Expected `array` of length 2"),
    ],
)
def test_a_wrong_graph_is_refused_at_its_place(path, value, place):
    def change(document):
        _set(document, *path, value=value)
        if path == ("edges", 0, "tail"):  # from t to s, beside the edge from s to t
            document["edges"][0]["structure"] = None

    with pytest.raises(FileError, match=place):
        graph_from_text(_changed(change), source="graph.json")


@pytest.mark.parametrize("text", ["", "[]", "{", "vertices = [", '{"vertices": [], "edges": []}'])
def test_what_is_no_graph_is_refused(text):
    with pytest.raises(FileError):
        graph_from_text(text)


@pytest.mark.parametrize("number", range(5))
def test_a_plan_whose_steps_were_changed_is_refused(number):
    plan = plan_graph(GRAPH)
    document = json.loads(plan.to_json())
    if number == 0:
        document["flops"] += 1
    elif number == 1:  # another weight for an edge that is formed
        document["edges"][0]["accumulate_cost"] = 7
    elif number == 2:
        document["results"][0] = 0
    elif number == 3:
        document["order"] = document["order"][:-1]
    else:
        document["planner"] = "windowed"
    with pytest.raises(FileError):
        GraphPlan.from_json(json.dumps(document))


def test_a_plan_that_misses_a_path_is_refused():
    sizes = {"x": 2, "s": 2, "y": 2}
    edges = [jc.Edge("x", "s"), jc.Edge("s", "y"), jc.Edge("x", "y")]
    document = json.loads(plan_graph(jc.Graph(sizes, edges)).to_json())
    product = next(k for k, step in enumerate(document["steps"]) if step["op"] == "multiply")
    document["results"] = [product]
    with pytest.raises(FileError, match="sum over all paths"):
        GraphPlan.from_json(json.dumps(document))
