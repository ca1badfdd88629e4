"""The command line of second order as its users meet it."""

import csv
import json

import pytest

import jacchain as jc
from jacchain.planning.document import chain_to_json
from jacchain.planning.graph import Edge, Graph
from jacchain.planning.graph_document import graph_to_json
from jacchain.planning.names import SECOND_CHAIN_NAMES
from jacchain.planning.second.chains.chain_plan import ChainHessianPlan
from jacchain.planning.second.chains.planner import SECOND_CHAIN_PLANNERS

DIMS = ["--dims", "3,5,2,1,4,1", "--order", "2"]


def test_plan_prints_the_order_its_rivals_and_the_reason(call):
    code, out, err = call("plan", "--dims", "13,16,1", "--order", "2")
    assert (code, err) == (0, "")
    assert "order     J2 H1 + H2[J1, J1]" in out
    assert "forward_over_reverse             8,736    1.40" in out
    assert "edge_pushing                     6,240    1.00" in out
    assert max(map(len, out.split("\n"))) <= 80


def test_plan_as_json_is_the_plan(call):
    code, out, _ = call("plan", *DIMS, "--json")
    assert (code, ChainHessianPlan.from_json(out)) == (0, jc.plan([3, 5, 2, 1, 4, 1], order=2))
    code, out, _ = call("plan", *DIMS, "--json", "--both-halves")
    assert json.loads(out)["flops"] == 325


@pytest.mark.parametrize("planner", SECOND_CHAIN_PLANNERS)
def test_every_planner_may_be_asked_for(call, planner):
    assert set(SECOND_CHAIN_NAMES) == set(SECOND_CHAIN_PLANNERS)
    code, out, _ = call("plan", *DIMS, "--planner", planner, "--json")
    assert (code, json.loads(out)["planner"]) == (0, planner)


def test_order_1_is_what_is_planned_without(call):
    assert call("plan", "--dims", "13,16,1", "--order", "1") == call("plan", "--dims", "13,16,1")


def test_a_chain_file_with_linear_links_and_weights_is_planned(call, tmp_path):
    path = tmp_path / "chain.json"
    chain = jc.Chain([jc.Link(6, 9, linear=True), jc.Link(9, 9, structure="diagonal"), jc.Link(9, 4, linear=True)])
    path.write_text(chain_to_json(chain))
    code, out, _ = call("plan", str(path), "--order", "2", "--adjoints", "1", "--tangents", "2", "--json")
    assert (code, ChainHessianPlan.from_json(out)) == (0, jc.plan(chain, order=2, adjoints=1, tangents=2))
    _, out, _ = call("explain", str(path), "--order", "2")
    assert "linear    F1, F3: no second derivative" in out
    assert max(map(len, out.split("\n"))) <= 80


@pytest.mark.parametrize("dims", ["3,5,2,1,4,1", "4,2", "784,256,32,256,784", ",".join(map(str, range(3, 45)))])
@pytest.mark.parametrize("command", ["plan", "explain", "compare"])
def test_text_fits_into_80_columns(call, command, dims):
    code, out, err = call(command, "--dims", dims, "--order", "2")
    assert (code, err) == (0, "")
    assert max(map(len, out.split("\n"))) <= 80


def test_explain_shows_the_shares_of_all_modes_and_every_step(call):
    code, out, _ = call("explain", *DIMS)
    assert code == 0
    assert "forward_over_forward              630   2.40   7.6 %  28.6 %  63.8 %" in out
    assert "T13       is the costliest step: 28.5 % of the multiplications" in out
    _, document, _ = call("explain", *DIMS, "--json")
    found = json.loads(document)
    assert found["modes"]["forward_over_reverse"]["flops"] == 398
    assert len(found["held_bytes"]) == len(found["plan"]["steps"])


@pytest.mark.parametrize("command", ["plan", "explain"])
def test_steps_as_values_have_every_number_in_full(call, command):
    code, out, _ = call(command, *DIMS, *(["--format", "csv"]))
    rows = list(csv.DictReader(out.splitlines()))
    assert code == 0
    assert sum(int(row["multiplications"]) for row in rows) == 263
    assert max(int(row["held_bytes"]) for row in rows) == jc.plan([3, 5, 2, 1, 4, 1], order=2).peak


def test_a_written_plan_is_explained_as_it_stands(call, tmp_path):
    path = tmp_path / "plan.json"
    call("plan", *DIMS, "--planner", "waist", "-o", str(path))
    code, out, _ = call("explain", str(path))
    assert code == 0
    assert "bracketing at the narrowest vertices, as asked for" in out
    code, _, err = call("explain", str(path), "--order", "2")
    assert code == 2
    assert "is a plan already" in err


@pytest.mark.parametrize("form", ["json", "csv"])
def test_compare_shows_all_planners(call, form):
    code, out, _ = call("compare", *DIMS, "--format", form)
    assert code == 0
    if form == "json":
        found = {name: entry["flops"] for name, entry in json.loads(out)["planners"].items()}
    else:
        found = {row["planner"]: int(row["flops"]) for row in csv.DictReader(out.splitlines())}
    assert set(found) == set(SECOND_CHAIN_PLANNERS)
    assert min(found.values()) == found["optimal"] == found["exhaustive"] == 263


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["plan", "--dims", "3,4", "--order", "3"], 2, "--order is 3"),
        (["plan", *DIMS, "--memory", "4MB"], 2, "--memory 4000000 for a plan of order 2"),
        (["plan", *DIMS, "--workers", "2"], 2, "--workers 2 for a plan of order 2"),
        (["explain", *DIMS, "--tape-limit", "2"], 2, "--tape-limit 2 for a plan of order 2"),
        (["compare", *DIMS, "--unit-free"], 2, "--unit-free for a plan of order 2"),
        (["plan", *DIMS, "--planner", "reverse"], 2, "unknown planner of order 2 'reverse'"),
        (["plan", "--dims", "3,4", "--planner", "edge_pushing"], 2, "it plans order 2, the Hessian of a chain"),
        (["plan", *DIMS, "--planner", "markowitz"], 2, "it plans order 1"),
        (["plan", "--dims", "3,4", "--planner", "edge_pushing"], 2, "unknown planner of order 1 'edge_pushing'"),
        (["plan", *DIMS, "--format", "dot"], 2, "--format dot of a plan of order 2"),
        (["plan", "--dims", "3,4", "--both-halves"], 2, "--both-halves for a plan of order 1"),
        (["plot", "tree", *DIMS, "-o", "x.png"], 2, "--order 2 for what shows plans of order 1"),
        (["plan", "--dims", "2,2,2,2,2,2,2", "--order", "2", "--planner", "exhaustive"], 3, "6 links have too many"),
    ],
)
def test_errors_are_two_lines(call, arguments, code, words):
    found, out, err = call(*arguments)
    assert (found, out) == (code, "")
    assert words in err
    assert len(err.strip().split("\n")) == 2


@pytest.fixture
def branching(tmp_path):
    """Write a graph that is no path."""
    path = tmp_path / "graph.json"
    edges = [Edge("x", "s"), Edge("s", "y"), Edge("x", "y")]
    path.write_text(graph_to_json(Graph({"x": 3, "s": 4, "y": 2}, edges)))
    return str(path)


@pytest.mark.parametrize("command", ["plan", "explain", "compare"])
def test_a_graph_that_branches_has_no_plan_of_order_2(call, command, branching):
    code, out, err = call(command, branching, "--order", "2")
    assert (code, out) == (2, "")
    assert "order is 2 for a graph that is no path" in err
    assert "order 2 plans chains" in err


@pytest.mark.parametrize("arguments", [["run", "--plan"], ["plan"], ["compare"], ["plot", "tree", "-o", "x.png"]])
def test_where_another_document_is_expected_a_plan_of_order_2_is_named(call, tmp_path, arguments):
    path = tmp_path / "plan.json"
    call("plan", *DIMS, "-o", str(path))
    code, out, err = call(*arguments, str(path))
    assert (code, out) == (1, "")
    assert "is of schema 'jacchain.hessian-plan/v1', the plan of a chain's Hessian" in err
    assert "jacchain explain FILE reads this one" in err
    assert len(err.strip().split("\n")) == 2


def test_the_help_of_plot_offers_no_second_order(call):
    code, out, _ = call("plot", "--help")
    assert code == 0
    assert "--order" not in out
    assert "--both-halves" not in out
    assert "edge_pushing" not in out


def test_the_peak_is_said_to_have_given_derivatives_only_while_they_are_read(call):
    _, out, _ = call("plan", *DIMS)
    assert "B, with given derivatives while they are read" in out
