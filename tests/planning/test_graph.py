"""Links, chains and graphs: what they accept and how they refuse."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from strategies import dense_sizes, mixed_chains

import jacchain as jc
from jacchain.algebra.structure import Dense, Diagonal, Identity, Negation
from jacchain.errors import OptionError, SizeError
from jacchain.planning.graph import path


@given(mixed_chains())
def test_a_path_shaped_graph_is_its_chain(chain):
    sizes = dict(enumerate(chain.sizes))
    edges = [jc.Edge(k, k + 1, link) for k, link in enumerate(chain.links)]
    assert path(jc.Graph(sizes, edges[::-1])) == chain
    assert jc.plan(jc.Graph(sizes, edges)) == jc.plan(chain)


def test_what_no_request_needs_is_left_out():
    sizes = {"x": 4, "s": 3, "y": 2, "z": 5}
    edges = [jc.Edge("x", "s"), jc.Edge("s", "y"), jc.Edge("s", "z")]
    assert path(jc.Graph(sizes, edges, [("y", "x")])).sizes == (4, 3, 2)
    assert jc.Graph(sizes, edges).requests == (("y", "x"), ("z", "x"))


@pytest.mark.parametrize(
    ("edges", "requests", "message"),
    [
        ([("x", "s"), ("s", "y"), ("x", "y")], None, "vertex 'x' has 2 edges"),
        ([("x", "s"), ("s", "y")], [("x", "y")], "vertex 'y' has 0 edges"),
        ([("x", "s"), ("x", "y")], None, "the graph has 2 requests"),
    ],
)
def test_a_graph_that_is_no_path_has_no_chain(edges, requests, message):
    with pytest.raises(OptionError, match=message):
        path(jc.Graph({"x": 4, "s": 3, "y": 2}, [jc.Edge(*edge) for edge in edges], requests))


@pytest.mark.parametrize(
    ("edges", "requests", "message"),
    [
        ([("x", "s"), ("s", "x")], None, "the edges form a cycle: x → s → x|s → x → s"),
        ([("x", "t")], None, "unknown vertex 't'"),
        ([("x", "s")], [("t", "x")], "unknown vertex 't'"),
    ],
)
def test_bad_graphs_are_refused(edges, requests, message):
    with pytest.raises(OptionError, match=message):
        jc.plan(jc.Graph({"x": 4, "s": 3, "y": 2}, [jc.Edge(*edge) for edge in edges], requests))


def test_links_must_fit_their_vertices():
    with pytest.raises(SizeError, match="maps 4 to 9 numbers, but the vertices have 4 and 3"):
        jc.Graph({"x": 4, "s": 3}, [jc.Edge("x", "s", jc.Link(4, 9))])


@pytest.mark.parametrize("sizes", [[3, 0], [3, -1], [3, 2.5], [3, "2"], [3, True], [3, None], [np.nan, 2]])
def test_bad_sizes_are_refused_with_their_place(sizes):
    with pytest.raises(SizeError, match=r"size d_[01] is .*, not a positive integer\ngive whole numbers"):
        jc.plan(sizes)


@pytest.mark.parametrize("sizes", [[], [3]])
def test_fewer_than_two_sizes_are_refused(sizes):
    with pytest.raises(SizeError, match=r"sizes? cannot make a link\ngive at least two"):
        jc.plan(sizes)


def test_numpy_integers_are_sizes():
    assert jc.plan(np.array([13, 16, 1])) == jc.plan([13, 16, 1])


@pytest.mark.parametrize("problem", ["13,16,1", 7, None, [jc.Link(3, 2)]])
def test_what_is_no_chain_is_refused(problem):
    with pytest.raises((OptionError, SizeError), match="give"):
        jc.plan(problem)


def test_links_that_do_not_meet_name_both_numbers():
    with pytest.raises(SizeError, match="link 3 gives 8 outputs but link 4 takes 9 inputs"):
        jc.Chain([jc.Link(1, 2), jc.Link(2, 3), jc.Link(3, 8), jc.Link(9, 1)])


def test_unknown_names_list_the_valid_ones_and_suggest_the_nearest():
    with pytest.raises(
        OptionError, match=r"unknown planner 'optimall'\ndid you mean 'optimal'\? valid: forward, reverse"
    ):
        jc.plan([1, 2], planner="optimall")
    with pytest.raises(OptionError, match=r"unknown structure 'zzz'\nvalid: dense, diagonal"):
        jc.Link(2, 2, structure="zzz")


@pytest.mark.parametrize("cost", [-1, 2.5, "3", True, float("nan"), float("inf")])
def test_costs_that_are_no_counts_are_refused(cost):
    with pytest.raises(OptionError, match="tangent_cost is"):
        jc.Link(2, 2, tangent_cost=cost)


def test_whole_floats_are_counts():
    assert jc.Link(2, 2, tangent_cost=3.0).tangent_cost == 3


def test_links_know_whether_they_are_explicit():
    assert jc.Link(3, 2).is_explicit
    assert jc.Link(3, 2).local == Dense(2, 3)
    assert jc.Link(3, 3, structure="diagonal", tangent_cost=3).is_explicit
    assert not jc.Link(3, 2, adjoint_cost=1).is_explicit
    assert jc.Link(3, 2, adjoint_cost=1, accumulate_cost=5).is_explicit
    with pytest.raises(SizeError, match="3 outputs and 3 inputs, but the link has 2 outputs"):
        jc.Link(3, 2, structure=Diagonal(3))


@given(dense_sizes())
def test_plans_are_values(sizes):
    found = jc.plan(sizes)
    assert hash(found) == hash(jc.plan(sizes))
    assert pickle.loads(pickle.dumps(found)) == found


def test_printing_a_plan_gives_the_bracketing_the_cost_and_the_reason():
    assert str(jc.plan([50, 30, 10, 2, 10, 30, 50])).split("\n") == [
        "optimal: ((J6 (J5 J4)) ((J3 J2) J1))",
        "12,200 multiplications, peak 35,136 bytes",
        "because grows both ways from the waist d_3 = 2: 8.77 times fewer multiplications than the better of forward "
        "and reverse",
    ]


@pytest.mark.parametrize(
    ("sizes", "planner", "words"),
    [
        ([3, 2], "optimal", "one link"),
        ([3, 2, 4], "optimal", "only one order"),
        ([2, 8, 9, 10], "optimal", "forward is the cheapest order: the input d_0 = 2"),
        ([10, 9, 8, 2], "optimal", "reverse is the cheapest order: the output d_3 = 2"),
        ([1, 5, 5, 5], "reverse", "as asked for"),
        ([9, 2, 9, 9], "optimal", "reverse is the cheapest order: it narrows to the waist d_1 = 2"),
        ([9, 9, 2, 9], "optimal", "forward is the cheapest order: it narrows to the waist d_2 = 2"),
        ([5, 4, 5, 5, 20], "optimal", "joins what lies before and after d_3 = 5 last"),
        ([90, 90, 2, 90, 90], "optimal", "grows both ways from the waist d_2 = 2"),
        ([5, 5, 5, 5], "optimal", "cost the same"),
        ([100, 1, 100, 1, 100, 1, 100], "optimal", "fewer multiplications"),
    ],
)
def test_the_reason_names_what_decided(sizes, planner, words):
    assert words in jc.plan(sizes, planner=planner).reason


def test_the_reason_names_structure():
    chain = jc.Chain([jc.Link(9, 9, structure="diagonal"), jc.Link(9, 9, structure="diagonal"), jc.Link(9, 4)])
    assert "structure makes it" in jc.plan(chain).reason


def test_isolated_vertices_are_not_requested_and_nothing_is_requested_of_itself():
    graph = jc.Graph({"x": 2, "y": 3, "alone": 4}, [jc.Edge("x", "y")])
    assert graph.requests == (("y", "x"),)
    with pytest.raises(OptionError, match="with respect to itself"):
        path(jc.Graph({"x": 2, "y": 3}, [jc.Edge("x", "y")], [("x", "x")]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: jc.Link(3, 3, structure=np.eye(3)),
        lambda: jc.Link(3, 3, structure="sparse"),
        lambda: jc.Link(3, 3, name=5),
        lambda: jc.Graph({"x": 2, "y": 3}, [("x", "y")]),
        lambda: jc.plan([3, 2], planner=[]),
        lambda: jc.plan([3, 2], itemsize="a"),
        lambda: jc.plan([3, 2], itemsize=0),
    ],
)
def test_arguments_of_other_kinds_are_refused(make):
    with pytest.raises((OptionError, SizeError), match=r"\n"):
        make()


@pytest.mark.parametrize("structure", [Identity, Negation, Diagonal])
def test_square_structures_are_known_by_name(structure):
    name = structure.__name__.lower()
    assert jc.Link(3, 3, structure=name).local == structure(3)
    with pytest.raises(SizeError, match=f"structure {name} has 3 inputs and 2 outputs"):
        jc.Link(3, 2, structure=name)


def test_a_negation_in_a_chain_takes_no_multiplications():
    links = [jc.Link(3, 4), jc.Link(4, 4, structure="negation"), jc.Link(4, 2)]
    assert jc.plan(jc.Chain(links)).flops == jc.plan([3, 4, 2]).flops == 24


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: jc.Graph([1, 2], []), "sizes are"),
        (lambda: jc.Graph({"x": 1}, None), "edges are"),
        (lambda: jc.Graph({None: 1}, []), "vertex None is no name"),
        (lambda: jc.Graph({"x": 1, "y": 1}, [jc.Edge("x", "y")], "yx"), "requests are 'yx'"),
        (lambda: jc.Graph({"x": 1, "y": 1}, [jc.Edge("x", "y")], 3), "requests are 3"),
        (lambda: jc.Graph({"x": 1, "y": 1}, [jc.Edge("x", "y")], ("y", "x")), "request 'y' is no pair"),
        (lambda: jc.Graph({"x": 1, "y": 1}, [jc.Edge("x", "y")], [("y", "x", "z")]), "is no pair"),
        (lambda: jc.Graph({"x": 1, "y": 1}, [jc.Edge("x", ["y"])]), "is no name"),
        (lambda: jc.Graph({"x": 2, "y": 2}, [jc.Edge("x", "y", Diagonal(2))]), r"the link from 'x' to 'y' is Diagonal"),
    ],
)
def test_what_is_no_graph_is_refused(make, match):
    with pytest.raises(OptionError, match=match):
        make()


def test_a_graph_is_a_value():
    graph = jc.Graph({"x": 3, "s": 2, "y": 1}, [jc.Edge("x", "s"), jc.Edge("s", "y"), jc.Edge("x", "y")])
    again = jc.Graph({"x": 3, "s": 2, "y": 1}, [jc.Edge("x", "s"), jc.Edge("s", "y"), jc.Edge("x", "y")])
    assert graph == again
    assert hash(graph) == hash(again)
    assert pickle.loads(pickle.dumps(graph)) == graph
    with pytest.raises(TypeError):
        graph.sizes["x"] = 99
    found = jc.plan(graph)
    assert hash(found) == hash(jc.plan(again))
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize("options", [{"seconds": -1}, {"seconds": float("nan")}, {"seed": "a"}, {"unit_free": "yes"}])
def test_options_of_a_search_are_checked_for_chains_too(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        jc.plan([3, 2, 1], **options)


def test_a_planner_that_is_no_name_is_refused_for_paths_and_others():
    for edges in ([jc.Edge("x", "s"), jc.Edge("s", "y")], [jc.Edge("x", "s"), jc.Edge("s", "y"), jc.Edge("x", "y")]):
        with pytest.raises(OptionError, match="unknown planner"):
            jc.plan(jc.Graph({"x": 3, "s": 2, "y": 1}, edges), planner=[])
