"""Chains in the JSON of the field's reference solver."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import jacchain as jc
from jacchain.errors import FileError
from jacchain.planning.document import chain_from_text
from jacchain.planning.jcdp import chain_from_jcdp

RECORDED = Path(__file__).parent.parent / "reference" / "matrix_free.json"


def graph_of(chain):
    """The graph that jcdp writes, its unused fields with the values that it leaves in them."""
    edges = [
        {
            "source": str(k),
            "target": str(k + 1),
            "metadata": {
                "n": link.inputs,
                "m": link.outputs,
                "kl": 39,
                "ku": 101,
                "non_zero_elements": 2**64 - 5,
                "edges_in_dag": link.tape,
                "tangentCost": link.tangent_cost,
                "adjointCost": link.adjoint_cost,
                "jacobianAccumulated": False,
            },
        }
        for k, link in enumerate(chain.links)
    ]
    nodes = [{"id": str(k), "metadata": {"vectorSize": size}} for k, size in enumerate(chain.sizes)]
    return {"graph": {"edges": edges, "nodes": nodes}}


@st.composite
def matrix_free_chains(draw):
    sizes = draw(st.lists(st.integers(1, 99), min_size=2, max_size=8))
    cost = st.integers(0, 10**6)
    return jc.Chain(
        [jc.Link(a, b, tangent_cost=draw(cost), adjoint_cost=draw(cost), tape=draw(cost)) for a, b in pairwise(sizes)]
    )


@given(matrix_free_chains(), st.randoms(use_true_random=False))
def test_a_graph_is_read_whatever_the_order_of_its_edges(chain, random):
    document = graph_of(chain)
    random.shuffle(document["graph"]["edges"])
    assert chain_from_text(json.dumps(document)) == chain


@given(matrix_free_chains())
def test_every_way_to_write_a_chain_is_the_same_chain(chain):
    document = graph_of(chain)
    inner = document["graph"]
    flat = [{"source": int(e["source"]), "target": int(e["target"]), **e["metadata"]} for e in inner["edges"]]
    old = [{**e, "tangent_cost": e.pop("tangentCost"), "adjoint_cost": e.pop("adjointCost")} for e in map(dict, flat)]
    bare = [{**e, "metadata": {k: v for k, v in e["metadata"].items() if k not in "nm"}} for e in inner["edges"]]
    columns = {
        "sizes": chain.sizes,
        "tangentCost": [link.tangent_cost for link in chain.links],
        "adjointCost": [link.adjoint_cost for link in chain.links],
        "edges": [link.tape for link in chain.links],
    }
    for written in (inner, flat, old, {"graph": {**inner, "edges": bare}}, columns):
        assert chain_from_text(json.dumps(written)) == chain


def test_an_accumulated_link_has_its_local_jacobian_for_nothing():
    document = graph_of(jc.Chain([jc.Link(3, 2, tangent_cost=9, adjoint_cost=9, tape=4)]))
    document["graph"]["edges"][0]["metadata"]["jacobianAccumulated"] = True
    chain = chain_from_jcdp(document)
    assert jc.plan(chain).flops == 0
    assert chain.links[0].tangent_cost == 9


def test_the_recorded_cases_cost_what_they_should_when_read_as_graphs():
    for case in json.loads(RECORDED.read_text())["cases"][:20]:
        columns = {
            "sizes": case["dims"],
            "tangentCost": case["tangent_cost"],
            "adjointCost": case["adjoint_cost"],
            "edges": case["edges"],
        }
        chain = chain_from_jcdp(graph_of(chain_from_jcdp(columns)))
        assert jc.plan(chain).flops == case["optimum_unlimited"]
        for limited in case["limited"]:
            assert jc.plan(chain, tape_limit=limited["memory"]).flops == limited["optimum"]


def _changed(change):
    document = graph_of(jc.Chain([jc.Link(a, b, tangent_cost=5, adjoint_cost=6) for a, b in ((3, 2), (2, 4), (4, 1))]))
    change(document["graph"])
    return document


def _data(graph, k):
    return graph["edges"][k]["metadata"]


@pytest.mark.parametrize(
    ("change", "place", "problem"),
    [
        (lambda g: _data(g, 1).update(tangentCost=-1), "$.graph.edges[1]", "tangentCost is -1"),
        (lambda g: _data(g, 1).update(adjointCost=float("nan")), "$.graph.edges[1]", "adjointCost is nan"),
        (lambda g: _data(g, 1).update(adjointCost=float("inf")), "$.graph.edges[1]", "adjointCost is inf"),
        (lambda g: _data(g, 1).update(adjointCost="6"), "$.graph.edges[1]", "adjointCost is '6'"),
        (lambda g: _data(g, 1).update(tangentCost=True), "$.graph.edges[1]", "tangentCost is True"),
        (lambda g: _data(g, 1).update(tangentCost=1.5), "$.graph.edges[1]", "tangentCost is 1.5"),
        (lambda g: _data(g, 1).update(tangentCost=2**64 - 7), "$.graph.edges[1]", "wrapped round"),
        (lambda g: _data(g, 1).update(tangent_cost=7), "$.graph.edges[1]", "tangentCost is 5 but tangent_cost is 7"),
        (lambda g: _data(g, 1).pop("tangentCost"), "$.graph.edges[1]", "no tangentCost"),
        (lambda g: _data(g, 1).update(edges_in_dag=-2), "$.graph.edges[1]", "edges_in_dag is -2"),
        (lambda g: _data(g, 1).update(jacobianAccumulated="yes"), "$.graph.edges[1]", "jacobianAccumulated is 'yes'"),
        (lambda g: _data(g, 1).update(n=3), "$.graph.edges[1]", "n is 3, but vertex 1 has a vectorSize of 2"),
        (lambda g: _data(g, 1).update(n=0), "$.graph.edges[1]", "n is 0"),
        (lambda g: g["nodes"][2]["metadata"].update(vectorSize=-4), "$.graph.nodes[2]", "vectorSize is -4"),
        (lambda g: g["nodes"][2].update(id="1"), "$.graph.nodes[2]", "two nodes have the id '1'"),
        (lambda g: g["nodes"][2].pop("id"), "$.graph.nodes[2]", "without an id"),
        (lambda g: g.update(nodes=5), "$.graph.nodes", "5 is no list"),
        (lambda g: g.update(edges=[]), "$.graph", "no edges"),
        (lambda g: g["edges"][1].update(metadata=3), "$.graph.edges[1].metadata", "3 is no object"),
        (lambda g: g["edges"][1].pop("source"), "$.graph.edges[1]", "without a source"),
        (lambda g: g["edges"][1].update(source=None), "$.graph.edges[1].source", "names no vertex"),
        (lambda g: g["edges"].append(g["edges"][0]), "$.graph.edges[3]", "two edges leave vertex 0"),
        (lambda g: g["edges"][1].update(target="0"), "$.graph.edges", "no path"),
        (lambda g: g["edges"].pop(1), "$.graph.edges[1]", "2 paths"),
        (lambda g: g["edges"][2].update(target="0"), "$.graph.edges[0]", "cycle"),
    ],
)
def test_what_is_not_sane_is_refused_at_its_place(change, place, problem):
    with pytest.raises(FileError) as caught:
        chain_from_jcdp(_changed(change), source="chain.json")
    assert caught.value.what.startswith(f"chain.json is wrong at {place}")
    assert problem in caught.value.what
    assert caught.value.cure


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"sizes": [3, 2, 1], "tangentCost": [1], "adjointCost": [1, 2]}, "1 numbers for the 2 links"),
        ({"sizes": [3, 2], "tangentCost": [1], "adjointCost": [1], "edges": [1, 2]}, "2 numbers for the 1 links"),
        ({"sizes": [3, 0], "tangentCost": [1], "adjointCost": [1]}, "$.sizes[1]"),
        ({"sizes": [3], "tangentCost": [1], "adjointCost": [1]}, "numbers for the 0 links"),
        ({"sizes": [3, 2], "tangentCost": [-1], "adjointCost": [1]}, "$.tangentCost[0]"),
        ({"sizes": [3, 2], "tangentCost": 5, "adjointCost": [1]}, "$.tangentCost"),
        ({"tangentCost": [1], "adjointCost": [1]}, "$.sizes"),
    ],
)
def test_columns_that_do_not_fit_are_refused(document, problem):
    with pytest.raises(FileError) as caught:
        chain_from_text(json.dumps(document))
    assert problem in caught.value.what


def test_edges_whose_sizes_do_not_meet_are_refused():
    edges = [
        {"source": 0, "target": 1, "n": 3, "m": 2, "tangentCost": 1, "adjointCost": 1},
        {"source": 1, "target": 2, "n": 4, "m": 2, "tangentCost": 1, "adjointCost": 1},
    ]
    with pytest.raises(FileError, match="gives 2 outputs but this one takes 4 inputs"):
        chain_from_text(json.dumps(edges))
