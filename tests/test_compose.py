"""Blocks of Jacobians: total Jacobians are sums over paths, in whatever form and structure the blocks come."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, csr_matrix
from scipy.sparse.linalg import aslinearoperator
from strategies import seeds, shaped, twin_of

import jacchain as jc
from jacchain.algebra.matrix import Matrix, dense, diagonal, identity, kronecker, negation
from jacchain.algebra.structure import STRUCTURES, Dense, Diagonal, Identity, Negation, Sparse
from jacchain.blocks.found import as_block
from jacchain.errors import DtypeError, JacchainError, NonFiniteError, OptionError, SizeError
from jacchain.workloads.sequence_space import SHOCKS, TARGETS, UNKNOWNS, accumulated_forward, sequence_space_blocks

PLANNERS = ["auto", "forward", "reverse", "markowitz", "search", "optimal"]
EYE = np.eye(3)


class Drawn(NamedTuple):
    """Blocks, the sizes of their variables, and the dense twins of their matrices by output and input."""

    blocks: list[dict]
    sizes: dict[str, int]
    twins: dict[tuple[str, str], NDArray[np.float64]]


@st.composite
def given_matrices(draw, rows: int, columns: int):
    """A matrix in one of the forms that blocks may hold, and its dense twin."""
    kinds = ["array", "scipy", "matrix", "matrix"] + (["unit", "number", "shift"] if rows == columns else [])
    kind = "zero" if draw(st.integers(0, 19)) == 13 else draw(st.sampled_from(kinds))
    random = np.random.default_rng(draw(seeds))
    full = random.uniform(-1, 1, (rows, columns))
    match kind:
        case "array":
            return full, full
        case "scipy":
            found = np.where(random.random((rows, columns)) < 0.4, full, 0)
            return draw(st.sampled_from([csr_array, csr_matrix, coo_array]))(found), found
        case "zero":
            return np.zeros((rows, columns)), np.zeros((rows, columns))
        case "unit":
            sign = draw(st.sampled_from([1, -1]))
            return sign * np.eye(rows), sign * np.eye(rows)
        case "number":
            number = draw(st.sampled_from([1, -1, 0, 0.5, np.float32(2)]))
            return number, float(number) * np.eye(rows)
        case "shift":
            return np.eye(rows, k=-1), np.eye(rows, k=-1)
    square = [] if rows == columns else [Identity, Negation, Diagonal]
    structure = draw(shaped(draw(st.sampled_from([s for s in STRUCTURES if s not in square])), rows, columns))
    twin = twin_of(structure, draw(seeds))
    return twin.matrix, twin.dense


@st.composite
def block_graphs(draw, *, most: int = 7):
    """Blocks of a random graph, in random order and in either form."""
    sizes = {f"v{k}": draw(st.sampled_from([1, 3, 3, 3, 12])) for k in range(draw(st.integers(2, most)))}
    names, twins = list(sizes), {}
    blocks: list[dict] = [{} for _ in range(draw(st.integers(1, 3)))]
    for k, output in enumerate(names[1:], 1):
        block, in_pairs = draw(st.sampled_from(blocks)), draw(st.booleans())
        made = {}
        for source in names[:k]:
            if source == names[k - 1] or draw(st.booleans()):
                made[source], twins[output, source] = draw(given_matrices(sizes[output], sizes[source]))
        if all(np.isscalar(value) for value in made.values()):  # something must tell the size
            made[names[k - 1]] = twins[output, names[k - 1]] = np.ones((sizes[output], sizes[names[k - 1]]))
        block.update({(output, source): value for source, value in made.items()} if in_pairs else {output: made})
    return Drawn(draw(st.permutations([block for block in blocks if block])), sizes, twins)


def sums_over_paths(drawn: Drawn) -> dict[tuple[str, str], NDArray[np.float64]]:
    """All total Jacobians at once: (I - A)⁻¹ = I + A + A² + …, which ends, as the graph has no cycles."""
    first = dict(zip(drawn.sizes, np.cumsum([0, *drawn.sizes.values()])[:-1].tolist(), strict=True))
    total = sum(drawn.sizes.values())
    joined = np.zeros((total, total))
    places = {name: slice(first[name], first[name] + size) for name, size in drawn.sizes.items()}
    for (output, source), twin in drawn.twins.items():
        joined[places[output], places[source]] = twin
    power, found = np.eye(total), np.eye(total)
    for _ in drawn.sizes:
        power = joined @ power
        found += power
    return {(a, b): found[places[a], places[b]] for a in drawn.sizes for b in drawn.sizes}


@st.composite
def asked(draw):
    """Blocks, and the outputs and inputs asked for: the last variable and the first are always among them."""
    drawn = draw(block_graphs())
    names = list(drawn.sizes)
    some = st.lists(st.sampled_from(names), max_size=3)
    outputs, inputs = dict.fromkeys([names[-1], *draw(some)]), dict.fromkeys([names[0], *draw(some)])
    return drawn, list(outputs), list(inputs)


@given(asked(), st.sampled_from(PLANNERS), st.booleans())
def test_total_jacobians_are_sums_over_all_paths(question, planner, structured):
    drawn, outputs, inputs = question
    found = jc.compose(drawn.blocks, outputs, inputs, planner=planner, seconds=0.01, structured=structured)
    assert list(found) == outputs
    for pair, expected in sums_over_paths(drawn).items():
        if pair[0] in outputs and pair[1] in inputs:
            total = found[pair]
            assert total is found[pair[0]][pair[1]]
            assert isinstance(total, Matrix if structured else np.ndarray)
            np.testing.assert_allclose(total.todense() if structured else total, expected, rtol=1e-9, atol=1e-9)


@given(asked(), st.sampled_from(PLANNERS), st.booleans())
def test_what_is_predicted_is_what_is_counted(question, planner, structured):
    drawn, outputs, inputs = question
    found = jc.compose(drawn.blocks, outputs, inputs, planner=planner, seconds=0.01, structured=structured)
    counted = found.count()
    if found.program is None:
        assert counted == (0, 0)
        return
    assert counted.multiplications == found.program.flops
    assert counted.nbytes <= found.program.peak == found.plan.peak


@given(asked())
def test_no_result_shares_numbers_with_a_block_or_another_result(question):
    drawn, outputs, inputs = question
    expected = sums_over_paths(drawn)
    for structured in (False, True):
        found = jc.compose(drawn.blocks, outputs, inputs, structured=structured)
        for pair in [(output, source) for output in outputs for source in inputs]:
            for array in found[pair].arrays if structured else [found[pair]]:
                array[...] = 7
        again = jc.compose(drawn.blocks, outputs, inputs)
        for pair in [(output, source) for output in outputs for source in inputs]:
            np.testing.assert_allclose(again[pair], expected[pair], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("matrix", [np.ones((3, 3)), np.diag([1.0, 2.0, 3.0]), np.eye(3) + 1])
@pytest.mark.parametrize("structured", [False, True])
def test_equal_results_are_arrays_of_their_own(matrix, structured):
    blocks = [{"a": {"x": matrix}, "b": {"a": 1}, "c": {"b": 2}, "d": {"c": 1}}]
    found = jc.compose(blocks, ["a", "b", "c", "d"], ["x"], structured=structured)
    arrays = [found[name, "x"].arrays[0] if structured else found[name, "x"] for name in "abcd"]
    for k, array in enumerate([*arrays, matrix]):
        assert not any(np.shares_memory(array, other) for other in arrays[:k])


@pytest.mark.parametrize(
    ("value", "structure"),
    [
        (EYE, Identity(3)),
        (-EYE, Negation(3)),
        (2, None),
        (np.array(2.0), None),
        (np.diag([1.0, 0.0, 2.0]), Diagonal(3)),
        (np.ones((2, 3)), Dense(2, 3)),
        ([[1, 2], [3, 4]], Dense(2, 2)),
        (csr_array(EYE), Identity(3)),
        (csr_array(np.ones((2, 3))), Dense(2, 3)),
        (negation(3), Negation(3)),
        (Matrix(Dense(3, 3), (EYE,)), Dense(3, 3)),
    ],
)
def test_structure_is_found_from_exact_zeros_or_as_stated(value, structure):
    found = as_block(value, "it")
    assert found == 2.0 if structure is None else found.structure == structure


def test_a_band_is_sparse_up_to_a_tenth_of_all_numbers():
    assert isinstance(as_block(np.eye(10, k=1), "it").structure, Sparse)
    assert isinstance(as_block(np.eye(10, k=1) + np.eye(10), "it").structure, Dense)
    assert isinstance(as_block(csr_array(np.eye(10, k=1) + np.eye(10)), "it").structure, Sparse)
    duplicated = coo_array(([1.0, 2.0, 0.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    found = as_block(duplicated, "it")
    assert isinstance(found.structure, Sparse)
    assert found.arrays[0].tolist() == [3.0]


def test_structures_are_kept_on_request():
    shift, scale = np.eye(20, k=-1), np.diag(np.arange(1.0, 21))
    blocks = [{"a": {"x": shift, "y": scale}}, {"b": {"a": -1}, "c": {"a": scale, "b": 1}}]
    found = jc.compose(blocks, ["b", "c", "x"], ["x", "y", "a"], structured=True)
    kinds = {pair: type(found[pair].structure) for pair in [("b", "x"), ("b", "y"), ("b", "a"), ("c", "a"), ("x", "x")]}
    assert list(kinds.values()) == [Sparse, Diagonal, Negation, Diagonal, Identity]
    assert found["x", "y"].structure.nonzeros == 0
    assert found["x", "y"].todense().shape == (20, 20)


def test_paths_that_meet_are_added():
    blocks = {"a": {"x": 2}, "b": {"x": 3 * EYE}, "y": {"a": 5, "b": 7, "x": 1}}
    assert jc.compose(blocks, "y", "x")["y", "x"].tolist() == (32 * EYE).tolist()


def test_paths_may_cancel():
    assert not jc.compose([{"a": {"x": EYE}}, {"y": {"a": 1, "x": -1}}], "y", "x")["y", "x"].any()


def test_outputs_may_be_inputs_and_inputs_may_be_made():
    blocks = [{"a": {"x": 2 * EYE}}, {"y": {"a": 3}}]
    found = jc.compose(blocks, ["x", "a", "y"], ["x", "a", "y"])
    factors = {("x", "x"): 1, ("a", "x"): 2, ("a", "a"): 1, ("y", "x"): 6, ("y", "a"): 3, ("y", "y"): 1}
    for pair in [(a, b) for a in "xay" for b in "xay"]:
        assert found[pair].tolist() == (factors.get(pair, 0) * EYE).tolist()


def test_names_are_texts_or_whole_numbers_alone_or_listed():
    for outputs, inputs in ((1, "x"), ([1], ("x",)), (iter([1, 1]), {"x": None})):
        found = jc.compose([{1: {"x": EYE}}], outputs, inputs)
        assert found[1]["x"].tolist() == EYE.tolist()
        assert len(found) == 1
    assert list(jc.compose([{"year": {"x": EYE}}], outputs="year", inputs="x")) == ["year"]
    for key in ("y", (1, "y"), (1, "x", "z"), (1,), ()):
        with pytest.raises(KeyError):
            found[key]
    assert (1, "x") in found
    assert (1, "x", "z") not in found


def test_results_are_float32_where_all_arrays_are():
    single = EYE.astype(np.float32)
    for value, dtype in (
        (single, np.float32),
        (EYE, np.float64),
        (np.eye(3, dtype=int), np.float64),
        (2.0, np.float32),
    ):
        for form in (value, csr_array(value) if np.ndim(value) else value):
            found = jc.compose([{"a": {"x": single + 1}}, {"y": {"a": form}}], ["y", "x"], ["x", "a"])
            assert {found[pair].dtype for pair in [("y", "x"), ("x", "x"), ("x", "a")]} == {np.dtype(dtype)}
    assert jc.compose([{"a": {"x": identity(3)}}], "a", "x")["a", "x"].dtype == np.float64


def test_arrays_need_not_be_contiguous():
    a = np.arange(12.0).reshape(3, 4)[:, ::2]
    found = jc.compose(
        [{"a": {"x": a}, "b": {"a": a.T}, "c": {"b": kronecker(dense(a[:2]), dense([[1.0]]))}}], "c", "x"
    )
    np.testing.assert_allclose(found["c", "x"], a[:2] @ a.T @ a)


def test_blocks_with_other_numbers_are_not_planned_anew():
    first, second = ([{"a": {"x": value * np.ones((2, 2))}}, {"y": {"a": 2.0}}] for value in (1, 3))
    plans = [jc.compose(blocks, "y", "x").plan for blocks in (first, second)]
    assert plans[0] is plans[1]
    assert jc.compose(second, "y", "x")["y", "x"].tolist() == [[6, 6], [6, 6]]
    assert jc.compose(second, "y", "x", planner="forward").plan is not plans[0]


def test_a_graph_of_blocks_prints_what_it_found():
    found = jc.compose([{"a": {"x": np.ones((2, 2))}}, {"y": {"a": np.ones((2, 2))}}], "y", "x")
    assert str(found).startswith("y from x\nauto: a\n8 multiplications")
    assert "%" in str(found.program)


BAD = {
    "two makers": ([{"y": {"x": EYE}}, {"z": {"y": 1}, "y": {"w": EYE}}], OptionError, "'y' is made by block 1 and by"),
    "cycle": ([{"y": {"x": EYE}}, {"x": {"y": 1}}], OptionError, "cycle: 'y' → 'x' → 'y' (blocks 1, 2)"),
    "itself": ([{"y": {"y": EYE}}], OptionError, "cycle: 'y' → 'y' (block 1)"),
    "sizes": (
        [{"y": {"x": EYE}}, {"z": {"y": np.ones((2, 2))}}],
        SizeError,
        "'y' has 3 numbers in block 1: 'y' from 'x', but 2 in block 2: 'z' from 'y'",
    ),
    "number between sizes": (
        [{"y": {"x": 2.0, "w": EYE}, "z": {"x": np.ones((2, 2))}}],
        SizeError,
        "'x' has 2 numbers in block 1: 'z' from 'x', but 3 in block 1: 'y' from 'x'",
    ),
    "no size": ([{"y": {"x": 2.0}}], SizeError, "no matrix tells the size of 'x'"),
    "no input": ([{"y": {}}, {"z": {"x": EYE}}], SizeError, "no matrix tells the size of 'y'"),
    "operator": ([{"y": {"x": aslinearoperator(EYE)}}], OptionError, "do not associate"),
    "function": ([{"y": {"x": np.sin}}], OptionError, "do not associate"),
    "object": ([{"y": {"x": object()}}], OptionError, "no finite matrix"),
    "nan": ([{"y": {"x": EYE * np.nan}}], NonFiniteError, "block 1: 'y' from 'x' is nan at [0, 0]"),
    "infinite": ([{"y": {"x": csr_array(np.diag([1.0, np.inf]))}}], NonFiniteError, "is inf at [1]"),
    "infinite number": ([{"y": {"x": np.inf, "z": EYE}}], NonFiniteError, "is inf"),
    "number too large": ([{"y": {"x": 1e300, "z": np.float32(EYE)}}], NonFiniteError, "too large for float32"),
    "complex": ([{"y": {"x": EYE * 1j}}], DtypeError, "complex128"),
    "complex number": ([{"y": {"x": 1j}}], DtypeError, "1j"),
    "boolean": ([{"y": {"x": EYE > 0}}], DtypeError, "bool"),
    "true": ([{"y": {"x": True}}], DtypeError, "True"),
    "half": ([{"y": {"x": EYE.astype(np.float16)}}], DtypeError, "float16"),
    "whole numbers": ([{"y": {"x": np.array([[2**60]])}}], DtypeError, "2**53"),
    "text": ([{"y": {"x": np.array([["a"]])}}], DtypeError, "<U1"),
    "masked": ([{"y": {"x": np.ma.array(EYE)}}], DtypeError, "masked"),
    "ragged": ([{"y": {"x": [[1, 2], [3]]}}], SizeError, "no array"),
    "one axis": ([{"y": {"x": np.ones(3)}}], SizeError, "shape (3,)"),
    "sparse of one axis": ([{"y": {"x": coo_array(np.ones(3))}}], SizeError, "shape (3,)"),
    "no numbers": ([{"y": {"x": np.ones((3, 0))}}], SizeError, "empty"),
    "sparse, no numbers": ([{"y": {"x": csr_array((0, 3))}}], SizeError, "empty"),
    "no blocks": ([], OptionError, "there are no blocks"),
    "empty block": ([{"y": {"x": EYE}}, {}], OptionError, "block 2 is empty"),
    "blocks no list": (3, OptionError, "blocks is int"),
    "blocks a text": ("y", OptionError, "blocks is str"),
    "block no mapping": ([EYE], OptionError, "block 1 is ndarray"),
    "matrix without inputs": ([{"y": EYE}], OptionError, "block 1 gives 'y' a ndarray"),
    "twice": ([{"y": {"x": EYE}, ("y", "x"): EYE}], OptionError, "'y' from 'x' twice"),
    "name": ([{"y": {3.5: EYE}}], OptionError, "names a variable 3.5"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_blocks_are_named_with_a_cure(name):
    blocks, error, part = BAD[name]
    with pytest.raises(error) as caught:
        jc.compose(blocks, "y", "x")
    assert part in caught.value.what
    assert "\n" not in caught.value.what
    assert caught.value.cure
    assert "\n" not in caught.value.cure


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"outputs": "yaer"}, "unknown output 'yaer'\ndid you mean 'year'?"),
        ({"inputs": ["x", "q"]}, "unknown input 'q'\nvalid: x, year"),
        ({"outputs": []}, "there are no outputs"),
        ({"inputs": 2.5}, "inputs is float"),
        ({"inputs": [["x"]]}, "unknown input \"['x']\""),
        ({"planner": "serch"}, "did you mean 'search'?"),
        ({"planner": []}, "unknown planner []"),
        ({"seconds": -1}, "seconds is -1"),
        ({"seed": "a"}, "seed is 'a'"),
    ],
)
def test_bad_options_are_named_with_a_cure(options, part):
    with pytest.raises(JacchainError) as caught:
        jc.compose([{"year": {"x": EYE}}], **{"outputs": "year", "inputs": "x", **options})
    assert part in str(caught.value)


def test_a_zero_matrix_joins_nothing_and_closes_no_cycle():
    found = jc.compose([{"y": {"x": EYE}}, {"x": {"y": np.zeros((3, 3))}}], ["y", "x"], ["x", "y"])
    assert not found["x", "y"].any()
    assert found["y", "x"].tolist() == EYE.tolist()


def test_diagonals_stay_diagonals_through_many_blocks():
    blocks = [{f"v{k + 1}": {f"v{k}": diagonal(np.arange(1.0, 101))}} for k in range(20)]
    found = jc.compose(blocks, "v20", "v0", structured=True)
    assert found["v20", "v0"].structure == Diagonal(100)
    assert found.plan.flops == 19 * 100


MODEL = sequence_space_blocks(40)
INPUTS = (*UNKNOWNS, *SHOCKS)
EVERYTHING = tuple(variable for block in MODEL for variable in block)


@pytest.mark.parametrize("outputs", [EVERYTHING, TARGETS, ("goods", "assets")])
def test_the_model_in_sequence_space_equals_forward_accumulation_by_hand(outputs):
    found = jc.compose(MODEL, outputs, INPUTS)
    expected = accumulated_forward(MODEL, outputs, INPUTS, 40)
    for pair in [(output, source) for output in outputs for source in INPUTS]:
        total = expected.get(pair, np.zeros((40, 40)))
        np.testing.assert_allclose(found[pair], total if isinstance(total, np.ndarray) else total.toarray(), atol=1e-9)


def test_the_model_in_sequence_space_takes_a_half_and_a_third_of_forward_accumulation():
    blocks = sequence_space_blocks(300)
    for outputs, times in ((EVERYTHING, 2), (("goods", "assets"), 3)):
        plan = jc.compose(blocks, outputs, INPUTS, structured=True).plan
        assert plan.baselines["forward"].flops >= times * plan.flops
