"""The command line on files of graphs."""

import json

import pytest

import jacchain as jc
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.planner import plan_graph
from jacchain.planning.graph_document import graph_to_json
from jacchain.report.explanation import explanation_text
from jacchain.report.text import plan_text

GRAPH = jc.Graph(
    {"x": 9, "s": 4, "t": 4, "y": 1},
    [
        jc.Edge("x", "s"),
        jc.Edge("s", "t", jc.Link(4, 4, structure="identity")),
        jc.Edge("s", "y"),
        jc.Edge("t", "y"),
    ],
)
PATH = jc.Graph({"x": 9, "s": 2, "y": 9}, [jc.Edge("x", "s"), jc.Edge("s", "y")])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "graph.json"
    path.write_text(graph_to_json(GRAPH))
    return str(path)


@pytest.fixture
def path_file(tmp_path):
    path = tmp_path / "path.json"
    path.write_text(graph_to_json(PATH))
    return str(path)


def test_a_graph_is_planned_and_explained(call, file):
    assert call("plan", file) == (0, plan_text(plan_graph(GRAPH)) + "\n", "")
    assert call("explain", file, "--planner", "forward") == (
        0,
        explanation_text(plan_graph(GRAPH, planner="forward")) + "\n",
        "",
    )


def test_the_plan_of_a_graph_is_kept_and_read_again(call, file, tmp_path):
    kept = str(tmp_path / "plan.json")
    code, out, _ = call("plan", file, "--json", "-o", kept, "--planner", "search", "--seconds", "0.01", "--seed", "3")
    found = GraphPlan.from_json(out)
    assert (code, found.search_seconds, found.seed, found.planner) == (0, 0.01, 3, "search")
    assert call("explain", kept) == (0, explanation_text(found) + "\n", "")
    code, _, err = call("explain", kept, "--planner", "forward")
    assert code == 2
    assert "is a plan already" in err


def test_products_by_identities_may_be_free(call, file):
    counted, free = (json.loads(call("plan", file, "--json", *more)[1]) for more in ((), ("--unit-free",)))
    assert counted["flops"] == free["flops"] + 4
    assert free["unit_free"]


@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_planners_of_graphs_are_compared(call, file, form):
    code, out, err = call("compare", file, "--format", form, "--seconds", "0.01")
    assert (code, err) == (0, "")
    assert all(planner in out for planner in ("auto", "forward", "reverse", "markowitz", "search", "optimal"))


def test_a_graph_that_is_a_path_is_planned_as_a_chain(call, path_file):
    assert jc.Plan.from_json(call("plan", path_file, "--json")[1]) == jc.plan([9, 2, 9])
    assert "waist" in call("compare", path_file)[1]
    assert GraphPlan.from_json(call("plan", path_file, "--json", "--planner", "auto")[1]).flops == 162


@pytest.mark.parametrize("form", ["dot", "mermaid", "csv"])
def test_other_formats_know_graphs(call, file, form):
    code, out, err = call("plan", file, "--format", form)
    assert (code, err) == (0, "")
    assert "x" in out


@pytest.mark.parametrize("kind", [("graph",), ("bars",), ("memory",), ()])
@pytest.mark.parametrize("source", ["file", "path_file"])
def test_graphs_are_drawn(call, tmp_path, kind, source, request):
    pytest.importorskip("matplotlib")
    target = tmp_path / "picture.png"
    assert call("plot", *kind, request.getfixturevalue(source), "-o", str(target)) == (0, "", "")
    assert target.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "FILE", "--workers", "2"], "workers is 2, but the graph branches"),
        (["compare", "FILE", "--chunk-size", "2"], "chunk_size is 2, but the graph branches"),
        (["plan", "FILE", "--planner", "waist"], "unknown planner 'waist'"),
        (["plan", "FILE", "--seconds", "0"], "seconds is 0.0, not a time"),
        (["plan", "FILE", "--seed", "-1"], "seed is -1"),
        (["plan", "--dims", "3,2", "--seconds", "1"], "--seconds for a chain"),
        (["plan", "--dims", "3,2", "--unit-free"], "--unit-free for a chain"),
        (["plan", "--dims", "3,2", "--planner", "search"], "unknown planner 'search'"),
        (["plot", "tree", "FILE", "-o", "x.png"], "a tree of a graph that branches\n  draw one of graph, bars, memory"),
        (["plot", "graph", "--dims", "3,2", "-o", "x.png"], "a chain where a graph is drawn"),
    ],
)
def test_what_graphs_do_not_have_is_refused(call, file, arguments, message):
    code, out, err = call(*(file if word == "FILE" else word for word in arguments))
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 2


def test_a_limit_that_a_plan_of_a_graph_breaks_is_infeasible(call, file):
    code, _, err = call("plan", file, "--memory", "10")
    assert code == 3
    assert "bytes at its fullest, but memory is 10 bytes" in err


def test_a_wrong_graph_is_an_error_that_names_the_file_and_the_place(call, tmp_path):
    path = tmp_path / "graph.json"
    path.write_text(graph_to_json(GRAPH).replace('"head": "s"', '"head": "z"', 1))
    code, _, err = call("plan", str(path))
    assert code == 1
    assert f"error: {path} is wrong at $.edges[0]: unknown vertex 'z'" in err
