"""Chain files and plan documents: what goes out comes back, and what is wrong is refused at its place."""

import json

import pytest
from hypothesis import given
from strategies import mixed_chains

import jacchain as jc
from jacchain.errors import FileError
from jacchain.planning.document import chain_from_text, chain_to_json
from jacchain.planning.planner import plan
from jacchain.planning.planners import PLANNERS


@given(mixed_chains())
def test_chains_survive_the_file(chain):
    assert chain_from_text(chain_to_json(chain)) == chain


@given(mixed_chains())
def test_plans_survive_the_document(chain):
    for name in ("optimal", "exhaustive"):
        found = plan(chain, planner=name)
        assert jc.Plan.from_json(found.to_json()) == found


@pytest.mark.parametrize("name", PLANNERS)
def test_every_planner_s_plan_survives_the_document(name):
    found = plan([7, 3, 5, 2, 6], planner=name)
    assert jc.Plan.from_json(found.to_json().encode()) == found


def test_the_document_has_the_stated_fields():
    document = json.loads(jc.plan([13, 16, 1]).to_json())
    assert document["schema"] == "jacchain.plan/v1"
    assert {"planner", "flops", "peak", "bracketing", "reason", "baselines", "steps"} <= set(document)
    assert document["baselines"]["meet"] == {"flops": 208}
    assert all({"op", "result", "operands", "structure", "flops", "bytes"} == set(step) for step in document["steps"])
    assert sum(step["flops"] for step in document["steps"]) == document["flops"] == 208


def test_toml_is_read_like_json():
    text = 'schema = "jacchain.chain/v1"\n[[links]]\ninputs = 3\noutputs = 3\nstructure = "diagonal"\n'
    assert chain_from_text(text) == jc.Chain([jc.Link(3, 3, structure="diagonal")])


def test_structures_are_read():
    links = [
        {"inputs": 6, "outputs": 6, "structure": {"type": "kronecker", "left": 3, "right": [2, 2]}},
        {"inputs": 6, "outputs": 9, "structure": {"type": "block-diagonal", "count": 3, "rows": 3, "columns": 2}},
        {"inputs": 9, "outputs": 2, "structure": {"type": "sparse", "indptr": [0, 1, 3], "indices": [4, 0, 8]}},
    ]
    chain = chain_from_text(json.dumps({"schema": "jacchain.chain/v1", "links": links}))
    assert [str(link.local) for link in chain.links] == [
        "kronecker I(3)⊗(2x2)",
        "block-diagonal 3x(3x2)",
        "sparse 2x9, 3 nonzeros",
    ]


GOOD = {"schema": "jacchain.chain/v1", "links": [{"inputs": 3, "outputs": 2}, {"inputs": 2, "outputs": 4}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "jacchain.chain/v2"}, r"of schema 'jacchain.chain/v2'\nexpected 'jacchain.chain/v1'"),
        ({"links": []}, r"\$.links: a chain of no links"),
        ({"links": [{"inputs": 3}]}, r"\$.links\[0\]: .*outputs"),
        ({"links": [{"inputs": 3, "outputs": 2.5}]}, r"\$.links\[0\].outputs: Expected `int`"),
        ({"links": [{"inputs": 3, "outputs": 0}]}, r"\$.links\[0\]: outputs is 0"),
        ({"links": [{"inputs": 3, "outputs": 2, "colour": 1}]}, r"\$.links\[0\]: .*colour"),
        (
            {"links": [{"inputs": 3, "outputs": 3, "structure": "diagonl"}]},
            r"unknown structure 'diagonl'\ndid you mean 'diagonal'",
        ),
        ({"links": [{"inputs": 3, "outputs": 2, "structure": "identity"}]}, r"identity has 3 inputs and 2 outputs"),
        (
            {"links": [{"inputs": 3, "outputs": 8}, {"inputs": 9, "outputs": 1}]},
            "link 1 gives 8 outputs but link 2 takes 9",
        ),
        ({"links": [{"inputs": 3, "outputs": 2, "tangent_cost": -1}]}, "tangent_cost is -1"),
        ({"links": [{"inputs": 3, "outputs": 2, "structure": {"type": "sprase"}}]}, "did you mean 'sparse'"),
        (
            {"links": [{"inputs": 3, "outputs": 2, "structure": {"type": "sparse", "indptr": [0, 1], "indices": [0]}}]},
            r"indptr does not describe 2 rows",
        ),
        (
            {"links": [{"inputs": 3, "outputs": 2, "structure": {"type": "kronecker", "left": 0, "right": [2, 3]}}]},
            "an identity factor is 0",
        ),
        (
            {"links": [{"inputs": 5, "outputs": 2, "structure": {"type": "kronecker", "left": 2, "right": [1, 3]}}]},
            "2 outputs and 6 inputs, but the link has 2 outputs and 5 inputs",
        ),
    ],
)
def test_wrong_files_are_refused_at_their_place(change, message):
    with pytest.raises(FileError, match=message):
        chain_from_text(json.dumps(GOOD | change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": ', r"not JSON \(line 1, column 12"),
        ("schema = ", "neither JSON"),
        ("[1, 2]", "holds a list"),
        ("{}", "states no schema"),
        (b"\xff\xfe\x00", "not text"),
        ("", "is empty"),
        ("\ufeff \n", "is empty"),
        ('{"schema": 1, "schema": 2}', "'schema' stands twice"),
        ("[" * 100_000, "not JSON|recursion"),
        ('{"schema": ' + "9" * 5000 + "}", "not JSON"),
    ],
)
def test_what_is_no_document_is_refused(text, message):
    with pytest.raises(FileError, match=message):
        chain_from_text(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flops": 7}, "states 7 multiplications"),
        ({"peak": 7}, "a peak of 7 bytes"),
        ({"steps": []}, "the last step is not the whole chain"),
        ({"planner": "zzz"}, "unknown planner 'zzz'"),
        ({"bracketing": "(J1 J2)"}, "not those of its order"),
        ({"itemsize": 0, "peak": 0}, "a peak of 0 bytes at 0 a number"),
        ({"baselines": {"forward": {"flops": -4}}}, "forward of -4"),
        ({"links": [{"inputs": 13, "outputs": 17}, {"inputs": 17, "outputs": 1}]}, "states 208"),
        ({"schema": "jacchain.plan/v0"}, "expected 'jacchain.plan/v1'"),
    ],
)
def test_plans_that_were_changed_are_refused(change, message):
    document = json.loads(jc.plan([13, 16, 1]).to_json())
    with pytest.raises(FileError, match=message):
        jc.Plan.from_json(json.dumps(document | change))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"op": "divide"}, "unknown operation 'divide'"),
        ({"bytes": 1}, "not those of its order"),
        ({"structure": "dense 1x14"}, "not those of its order"),
        ({"operands": ["J1"]}, "multiply has 1 operands"),
        ({"operands": ["J2", "J9"]}, "operand 'J9' is not known"),
        ({"op": "tangent", "operands": ["F9", "J1"]}, "operand 'F9' is not known"),
        ({"op": "tangent", "operands": ["F2", "J1"]}, "link 2 has no tangent"),
    ],
)
def test_steps_that_do_not_follow_are_refused(step, message):
    document = json.loads(jc.plan([13, 16, 1]).to_json())
    document["steps"][-1] |= step
    with pytest.raises(FileError, match=message):
        jc.Plan.from_json(json.dumps(document))


@pytest.mark.parametrize("text", [5, None, {}])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(FileError, match="give text or bytes"):
        jc.Plan.from_json(text)


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({}, {"memory": 1}, "a peak of 2128 bytes, but a limit of 1"),
        ({}, {"memory": -5}, "wrong at \\$.memory: -5"),
        ({}, {"tape_limit": -3}, "wrong at \\$.tape_limit: -3"),
        ({}, {"chunk_size": 2}, "needs a \\$.chunk_axis"),
        ({}, {"workers": 3}, "need a \\$.schedule"),
        ({}, {"schedule": []}, "need a \\$.schedule"),
        ({"chunk_size": 5}, {"once": 2}, "makes 2 steps once, but its slices share 0"),
        ({"chunk_size": 5}, {"chunk_size": 50}, "50 of 13 columns"),
        ({"workers": 2}, {"workers": 0}, "wrong at \\$.workers: 0"),
    ],
)
def test_limits_that_a_plan_does_not_keep_are_refused(options, change, message):
    document = json.loads(jc.plan([13, 16, 1], **options).to_json())
    with pytest.raises(FileError, match=message):
        jc.Plan.from_json(json.dumps(document | change))


def test_a_tape_limit_that_the_steps_break_is_refused():
    link = jc.Link(9, 1, tangent_cost=9, adjoint_cost=9, tape=7)
    document = json.loads(jc.plan(jc.Chain([link])).to_json())
    with pytest.raises(FileError, match="link 1 cannot be accumulated by adjoint"):
        jc.Plan.from_json(json.dumps(document | {"tape_limit": 0}))


def test_a_plan_of_a_borrowed_link_is_read_back():
    found = jc.plan(jc.Chain([jc.Link(3, 2, borrowed=True)]))
    assert jc.Plan.from_json(found.to_json()) == found


def test_an_operand_of_thousands_of_digits_is_refused():
    document = json.loads(jc.plan([13, 16, 1]).to_json())
    document["steps"][0]["operands"] = ["F" + "9" * 5000]
    with pytest.raises(FileError, match="is not known"):
        jc.Plan.from_json(json.dumps(document))
