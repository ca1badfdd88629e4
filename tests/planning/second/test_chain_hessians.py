"""Hessians of chains: against recorded optima, against every order, against formulas, and against their dense twins."""

import json
import re
import tracemalloc
from dataclasses import replace
from functools import cache
from itertools import pairwise, product
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import BentChain, bent_chains

import jacchain as jc
from jacchain.algebra.product import product as algebra_product
from jacchain.algebra.structure import BlockDiagonal
from jacchain.errors import DtypeError, InfeasibleError, OptionError, SizeError
from jacchain.execution.tensors import evaluate, evaluation
from jacchain.planning.graph import Chain, Edge, Graph, chain_of_sizes
from jacchain.planning.link import Link
from jacchain.planning.names import IN_WORDS, MODES, SECOND_CHAIN_NAMES, SECOND_NAMES
from jacchain.planning.node import Local, Multiply
from jacchain.planning.second.chains.bracketing import bracketing
from jacchain.planning.second.chains.branch import proven
from jacchain.planning.second.chains.comparison import compare_hessian_planners
from jacchain.planning.second.chains.elementals import Elementals
from jacchain.planning.second.chains.exhaustive import MOST
from jacchain.planning.second.chains.node import Elemental, Lift, Pull, Sum, Zero
from jacchain.planning.second.chains.planner import SECOND_CHAIN_PLANNERS
from jacchain.planning.second.chains.sharing import Products, rounds, solve
from jacchain.planning.second.chains.storage import held_numbers, numbers
from jacchain.planning.second.chains.table import Table
from jacchain.planning.second.planners import SECOND_PLANNERS

CASES = json.loads((Path(__file__).parents[2] / "reference" / "hessian.json").read_text())["cases"]

SIZES = st.lists(st.integers(1, 9), min_size=2, max_size=6)


def ids(case: dict) -> str:
    return case["id"]


def planners(chain: Chain) -> list[str]:
    return [name for name in SECOND_CHAIN_PLANNERS if name != "exhaustive" or len(chain) <= 4]


@pytest.mark.parametrize("case", CASES, ids=ids)
@pytest.mark.parametrize("symmetric", [True, False])
def test_no_plan_costs_more_than_recorded(case, symmetric):
    found = jc.plan(case["dims"], order=2, symmetric=symmetric)
    assert found.flops == sum(node.flops for node in found.nodes)
    assert found.flops <= min(case["dp_cost"], case["approach2_cost"], case["exact_shared"] or inf)
    assert found.flops <= min(baseline.flops for baseline in found.baselines.values())
    if case["n"] <= 10:
        assert found.lower_bound == found.flops


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_recorded_bracketings_are_reproduced(case):
    shared = case["exact_shared"]
    table = Table(Elementals(chain_of_sizes(case["dims"]), symmetric=False), (), every=False)
    products = Products(table)
    cost, _ = solve(table, products.charges())
    assert cost == case["dp_cost"]
    if shared is not None:
        assert proven(table, products, rounds(table, products)).choice.flops == shared


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_sharing_makes_the_recorded_homogeneous_orders_no_dearer(case):
    for name, recorded in (("edge_pushing", "left"), ("forward_over_forward", "right")):
        assert jc.plan(case["dims"], order=2, planner=name, symmetric=False).flops <= case[recorded]


@settings(max_examples=50)
@given(SIZES)
def test_modes_multiply_what_their_formulas_say(d):
    n, first, last = len(d) - 1, d[0], d[-1]
    inner = range(2, n)
    tangents = sum(d[k] * d[k - 1] * first for k in inner)
    rows = sum(last * d[k] * d[k - 1] for k in inner)
    back = sum(last * first * d[k] * d[k - 1] for k in range(1, n))
    over_forward = sum(d[k] * d[k - 1] ** 2 * first for k in range(2, n + 1))
    over_reverse = sum(last * d[k] * d[k - 1] ** 2 for k in range(1, n))
    over_reverse += sum(last * d[k - 1] ** 2 * first for k in range(2, n + 1))
    lifted = sum(last * d[k] * d[k - 1] * first for k in range(2, n)) + (last * d[1] * first * first if n > 1 else 0)
    found = {name: baseline.flops for name, baseline in jc.plan(d, order=2).baselines.items()}
    assert found["forward_over_forward"] == tangents + over_forward + 2 * sum(
        d[k] * d[k - 1] * first**2 for k in range(2, n + 1)
    )
    assert found["forward_over_reverse"] == found["reverse_over_reverse"] == tangents + rows + over_reverse + back
    assert found["reverse_over_forward"] == tangents + rows + over_forward + lifted + back
    half = [size * (size + 1) // 2 for size in d]
    assert found["edge_pushing"] == rows + sum(
        last * d[k] * half[k - 1] + last * d[k] * d[k] * d[k - 1] + last * d[k] * half[k - 1] for k in range(1, n)
    )


@settings(max_examples=60)
@given(bent_chains())
def test_all_planners_give_the_twin_in_the_multiplications_they_predict(bent):
    for name in planners(bent.chain):
        plan = jc.plan(bent.chain, order=2, planner=name)
        found = evaluation(plan, bent.jacobians, bent.tensors)
        np.testing.assert_allclose(found.tensor, bent.twin, rtol=1e-10, atol=1e-10)
        assert found.flops == plan.flops
        if plan.symmetric:
            assert np.array_equal(found.tensor, found.tensor.swapaxes(1, 2))


@settings(max_examples=60)
@given(bent_chains(symmetric=False))
def test_without_symmetry_nothing_relies_on_it(bent):
    for name in planners(bent.chain):
        plan = jc.plan(bent.chain, order=2, planner=name, symmetric=False)
        found = evaluation(plan, bent.jacobians, bent.tensors)
        np.testing.assert_allclose(found.tensor, bent.twin, rtol=1e-10, atol=1e-10)
        assert found.flops == plan.flops


@settings(max_examples=60)
@given(bent_chains(most=5), st.booleans())
def test_optimal_is_exhaustive_and_below_every_planner(bent, symmetric):
    costs = {
        name: jc.plan(bent.chain, order=2, planner=name, symmetric=symmetric).flops for name in planners(bent.chain)
    }
    assert costs["optimal"] == min(costs.values()) == costs.get("exhaustive", costs["optimal"])


@settings(max_examples=30)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=7), st.randoms())
def test_symmetry_and_smaller_sizes_never_cost_more(sizes, random):
    found = jc.plan(sizes, order=2)
    assert found.flops <= jc.plan(sizes, order=2, symmetric=False).flops
    smaller = [random.randint(1, size) for size in sizes]
    assert jc.plan(smaller, order=2).flops <= found.flops


@given(st.lists(st.integers(1, 6), min_size=2, max_size=5))
def test_optimal_is_the_cheapest_of_all_orders_written_out(d):
    assert jc.plan(d, order=2, symmetric=False).flops == _cheapest_of_all(d)


def _cheapest_of_all(d: list[int]) -> int:
    """Every order of every sum of neighbouring terms, with the set of products of Jacobians that it reads."""

    @cache
    def ways(j: int, i: int, m: int, p: int, q: int) -> frozenset[tuple[int, frozenset]]:
        if (j, i, m, p) == (q, p, p, q - 1):
            return frozenset({(0, frozenset())})
        entries, found = d[j] * d[i] * d[m], set()
        steps = [((v, i, m, p, q), (j, v), v) for v in range(q, j)]
        steps += [((j, v, m, p, q), (v, i), v) for v in range(i + 1, p + 1)]
        steps += [((j, i, v, p, q), (v, m), v) for v in range(m + 1, p + 1)]
        for cell, span, v in steps:
            found |= {(cost + entries * d[v], read | {span}) for cost, read in ways(*cell)}
        for r in range(p + 1, q):
            pairs = product(ways(j, i, m, p, r), ways(j, i, m, r, q))
            found |= {(one + two, read | more) for (one, read), (two, more) in pairs}
        return frozenset(_front(found))

    n = len(d) - 1
    return min(cost + _making(d, frozenset(s for s in read if s[0] - s[1] > 1)) for cost, read in ways(n, 0, 0, 0, n))


def _front(found: set) -> set:
    """Return the ways that none beats in cost and products together."""
    kept: list = []
    for cost, read in sorted(found, key=lambda way: (way[0], len(way[1]))):
        if not any(less <= cost and fewer <= read for less, fewer in kept):
            kept.append((cost, read))
    return set(kept)


def _making(d: list[int], wanted: frozenset, made: frozenset = frozenset()) -> int:
    """Return the least cost of making some products, each once, by trying every split."""
    missing = wanted - made
    if not missing:
        return 0
    j, i = max(missing, key=lambda span: span[0] - span[1])
    splits = []
    for k in range(i + 1, j):
        parts = {span for span in ((j, k), (k, i)) if span[0] - span[1] > 1}
        splits.append(d[j] * d[k] * d[i] + _making(d, wanted | parts, made | {(j, i)}))
    return min(splits)


@settings(max_examples=25)
@given(bent_chains())
def test_predicted_products_of_jacobians_cost_what_the_algebra_says(bent):
    given_ = Elementals(bent.chain, symmetric=True)
    for (k, upper), (_, lower) in pairwise(enumerate(bent.chain.links)):
        assert given_.product_cost(k + 2, k + 1, k) == algebra_product(lower.local, upper.local).cost


@settings(max_examples=25)
@given(bent_chains())
def test_the_peak_is_that_of_what_is_read_later(bent):
    plan = jc.plan(bent.chain, order=2)
    sizes = [numbers(node) for node in plan.nodes]
    assert max(sizes) <= max(held_numbers(plan.nodes)) <= sum(sizes)
    assert held_numbers(plan.nodes)[-1] >= sizes[-1]
    assert plan.peak == 8 * max(held_numbers(plan.nodes)) == 2 * jc.plan(bent.chain, order=2, itemsize=4).peak


@settings(max_examples=25)
@given(bent_chains(most=4), st.integers(1, 3), st.integers(1, 3))
def test_seeds_are_linear_links_at_the_ends(bent, columns, rows):
    plan = jc.plan(bent.chain, order=2, tangents=columns, adjoints=rows)
    random = np.random.default_rng(0)
    v = random.standard_normal((bent.chain.sizes[0], columns))
    u = random.standard_normal((rows, bent.chain.sizes[-1]))
    none = np.zeros((len(v), columns, columns)), np.zeros((rows, u.shape[1], u.shape[1]))
    found = evaluate(plan, [v, *bent.jacobians, u], [none[0], *bent.tensors, none[1]])
    expected = np.einsum("rz,zij,ip,jq->rpq", u, bent.twin, v, v)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=40)
@given(bent_chains(), st.booleans())
def test_results_share_no_memory_with_what_is_given_and_stay_in_single_precision(bent, single):
    given_ = [*bent.jacobians, *bent.tensors]
    arrays = [array.astype(np.float32) if single else array for array in given_]
    n = len(bent.chain)
    found = evaluate(jc.plan(bent.chain, order=2), arrays[:n], arrays[n:])
    assert found.dtype == (np.float32 if single else np.float64)
    assert not any(np.shares_memory(found, array) for array in arrays)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("sizes", [[40, 60, 50, 30], [60] * 5, [10, 60, 60, 60, 60, 4], [100] * 3])
def test_a_run_holds_no_more_than_the_peak_and_a_slice(sizes, symmetric):
    plan = jc.plan(sizes, order=2, symmetric=symmetric)
    jacobians = [np.ones((b, a)) for a, b in pairwise(sizes)]
    tensors = [np.ones((b, a, a)) for a, b in pairwise(sizes)]
    tracemalloc.start()
    evaluate(plan, jacobians, tensors)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held <= plan.peak + 8 * max(sizes) ** 2 + 2**13


IDENTITY = Chain([Link(2, 2, structure="identity"), Link(2, 1)])
DIAGONAL = Chain([Link(2, 2, structure="diagonal"), Link(2, 1)])


@pytest.mark.parametrize(
    ("chain", "jacobian", "tensor", "error", "words"),
    [
        (IDENTITY, 7 * np.eye(2), None, OptionError, "Jacobian of link 1 is not identity"),
        (IDENTITY, np.ones((2, 2)), None, OptionError, "Jacobian of link 1 is not identity"),
        (DIAGONAL, np.ones((2, 2)), np.zeros((2, 2, 2)), OptionError, "Jacobian of link 1 is not diagonal"),
        (DIAGONAL, np.eye(2), np.ones((2, 2, 2)), OptionError, "tensor of link 1 is not zero off"),
        (DIAGONAL, np.eye(2) * 1j, np.zeros((2, 2, 2)), DtypeError, "Jacobian of link 1 has dtype complex128"),
        (DIAGONAL, np.eye(2), None, DtypeError, "tensor of link 1 has dtype object"),
        (DIAGONAL, "x", np.zeros((2, 2, 2)), DtypeError, "Jacobian of link 1 has dtype <U1"),
        (DIAGONAL, [[1.0], [1.0, 2.0]], np.zeros((2, 2, 2)), SizeError, "Jacobian of link 1 is no array"),
    ],
)
def test_arrays_that_are_not_what_the_chain_says_are_refused(chain, jacobian, tensor, error, words):
    with pytest.raises(error, match=words):
        evaluate(jc.plan(chain, order=2), [jacobian, np.ones((1, 2))], [tensor, np.ones((1, 2, 2))])


def test_linear_chains_have_a_zero_tensor():
    chain = Chain([Link(3, 2, linear=True), Link(2, 2, structure="negation")])
    for name in SECOND_CHAIN_PLANNERS:
        plan = jc.plan(chain, order=2, planner=name)
        assert [type(node) for node in plan.nodes] == [Zero]
        assert plan.flops == 0
    zeros = [np.zeros((2, 3, 3)), np.zeros((2, 2, 2))]
    assert not evaluate(plan, [np.ones((2, 3)), -np.eye(2)], zeros).any()
    assert "linear" in plan.reason


def test_elementwise_links_between_linear_ones_cost_no_cubes():
    layers = [Link(5, 7, linear=True), Link(7, 7, structure="diagonal"), Link(7, 3, linear=True)]
    plan = jc.plan(Chain(layers), order=2)
    assert plan.flops == 3 * 7 + 3 * 7 * 5 + 3 * 7 * 15  # J3 times a diagonal, then each arm, the second by halves
    dense = jc.plan([5, 7, 7, 3], order=2)
    assert plan.flops < dense.flops / 3


def test_one_link_is_its_own_second_derivative():
    plan = jc.plan([4, 2], order=2)
    assert plan.nodes == (Elemental(0, plan.nodes[0].structure),)
    assert (plan.flops, plan.reason) == (0, "one link: its second derivative is given")


def test_long_chains_are_answered_and_never_above_the_field_s_bracketing():
    random = np.random.default_rng(3)
    sizes = [int(size) for size in random.integers(1, 30, 41)]
    table = Table(Elementals(chain_of_sizes(sizes), symmetric=False), (), every=False)
    bracketing, _ = solve(table, Products(table).charges())
    plan = jc.plan(sizes, order=2, symmetric=False)
    assert plan.flops <= bracketing


def test_chains_of_hundreds_of_links_are_planned_term_by_term():
    random = np.random.default_rng(4)
    sizes = [int(size) for size in random.integers(1, 4, 131)]
    plan = jc.plan(sizes, order=2)
    assert plan.flops < min(baseline.flops for baseline in plan.baselines.values())
    jacobians = [random.standard_normal((b, a)) / np.sqrt(a) for a, b in pairwise(sizes)]
    tensors = [random.standard_normal((b, a, a)) for a, b in pairwise(sizes)]
    bent = BentChain(plan.chain, jacobians, [tensor + tensor.swapaxes(1, 2) for tensor in tensors])
    found = evaluation(plan, bent.jacobians, bent.tensors)
    np.testing.assert_allclose(found.tensor, bent.twin, rtol=1e-9, atol=1e-9 * np.abs(bent.twin).max())
    assert found.flops == plan.flops


def test_chains_of_thousands_of_links_are_answered():
    sizes = [3, 1, 4, 1, 5, 9, 2, 6] * 150
    plan = jc.plan(sizes, order=2)
    assert plan.flops == min(baseline.flops for baseline in plan.baselines.values())


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("kind", ["waist", "random"])
def test_beyond_a_hundred_links_too_no_bracketing_is_cheaper(kind, symmetric):
    random = np.random.default_rng(9)
    sizes = [abs(k - 50) + 2 for k in range(102)] if kind == "waist" else random.integers(1, 31, 121).tolist()
    plan = jc.plan(sizes, order=2, symmetric=symmetric)
    assert plan.flops <= _bracketed(sizes)
    assert plan.flops == sum(node.flops for node in plan.nodes)


def _bracketed(d: list[int]) -> int:
    """The field's dynamic program: products of Jacobians are charged every time they are read."""
    n = len(d) - 1
    first: dict = {(k + 1, k): 0 for k in range(n)}
    second = dict(first)
    for j, i in ((i + length, i) for length in range(2, n + 1) for i in range(n - length + 1)):
        ks = range(i + 1, j)
        first[j, i] = min(first[j, k] + first[k, i] + d[j] * d[k] * d[i] for k in ks)
        made = (first[j, k] + second[k, i] + second[j, k] + first[k, i] for k in ks)
        second[j, i] = min(c + d[j] * d[k] * d[i] * (2 * d[i] + d[k]) for c, k in zip(made, ks, strict=True))
    return second[n, 0]


@settings(max_examples=40)
@given(bent_chains(), st.booleans())
def test_brackets_of_long_chains_are_those_of_short_ones(bent, symmetric):
    elementals = Elementals(bent.chain, symmetric=symmetric)
    found = bracketing(elementals)
    table = Table(elementals, (), every=False)
    if elementals.is_dense and found.flops:
        cost, _ = solve(table, Products(table).charges())
        assert found.flops <= cost
    assert found.flops == sum(node.flops for node in found.nodes)
    plan = jc.plan(bent.chain, order=2, symmetric=symmetric)
    plan = replace(plan, nodes=found.nodes, flops=found.flops)
    made = evaluation(plan, bent.jacobians, bent.tensors)
    np.testing.assert_allclose(made.tensor, bent.twin, rtol=1e-10, atol=1e-10)
    assert made.flops == found.flops


@pytest.mark.parametrize("planner", SECOND_CHAIN_PLANNERS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_costs_of_unimaginable_sizes_are_exact_too(planner, symmetric):
    huge = 10**77
    for sizes in ([huge] * 4, [huge**4, 3, huge**3, 7, huge**5]):
        plan = jc.plan(sizes, order=2, planner=planner, symmetric=symmetric)
        assert plan.flops == sum(node.flops for node in plan.nodes)
        assert str(plan)


@given(st.lists(st.integers(1, 9), min_size=3, max_size=9))
def test_of_textbook_orders_as_cheap_none_holds_less(sizes):
    plan = jc.plan(sizes, order=2)
    rivals = [jc.plan(sizes, order=2, planner=name) for name in ("edge_pushing", "forward_over_forward", "waist")]
    assert all(plan.peak <= rival.peak for rival in rivals if rival.flops == plan.flops and rival.symmetric)


def test_costs_are_exact_whatever_the_sizes():
    huge = 10**9
    assert jc.plan([huge, huge, 1], order=2, symmetric=False).flops == huge**3 * 3
    halves = huge * (huge * (huge + 1) // 2)
    assert jc.plan([huge, huge, 1], order=2).flops == huge**3 + 2 * halves


def test_a_path_shaped_graph_is_its_chain():
    graph = Graph({"x": 3, "s": 4, "y": 2}, [Edge("x", "s"), Edge("s", "y")])
    assert jc.plan(graph, order=2).flops == jc.plan([3, 4, 2], order=2).flops


def test_every_planner_is_compared_with_all_others():
    rivals = compare_hessian_planners(chain_of_sizes([3, 5, 2, 1, 4, 1]))
    assert {rival.planner for rival in rivals} == set(SECOND_CHAIN_PLANNERS)
    skipped = compare_hessian_planners(chain_of_sizes([2] * (MOST + 2)))
    assert [rival.planner for rival in skipped if rival.plan is None] == ["exhaustive"]
    assert all(not rival.plan.symmetric for rival in rivals if rival.planner in MODES)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"order": 3}, "order is 3"),
        ({"order": True}, "order is True"),
        ({"order": 2, "workers": 4}, "workers is 4"),
        ({"order": 2, "memory": "4MB"}, "memory is '4MB'"),
        ({"order": 2, "tape_limit": 7}, "tape_limit is 7"),
        ({"order": 2, "chunk_size": 2}, "chunk_size is 2"),
        ({"order": 2, "seconds": 3.0}, "seconds is 3.0"),
        ({"order": 2, "seed": 1}, "seed is 1"),
        ({"order": 2, "unit_free": True}, "unit_free is True"),
        ({"order": 2, "symmetric": 1}, "symmetric is 1"),
        ({"order": 2, "planner": "forward"}, "unknown planner of order 2 'forward'"),
        ({"order": 2, "itemsize": 0}, "itemsize is 0"),
        ({"order": 2, "tangents": 0}, "tangents is 0"),
        ({"order": 2, "planner": ""}, "unknown planner of order 2 ''"),
        ({"order": 2, "symmetric": None}, "symmetric is None"),
        ({"symmetric": None}, "symmetric is None"),
        ({"order": 2.0}, "order is 2.0"),
        ({"order": 2, "planner": "markowitz"}, "it plans order 1"),
        ({"planner": "edge_pushing"}, "it plans order 2"),
        ({"symmetric": False}, "symmetric is False"),
        ({"planner": "edge_pushing"}, "unknown planner of order 1 'edge_pushing'"),
    ],
)
def test_options_that_do_not_apply_are_refused(options, words):
    with pytest.raises((OptionError, SizeError), match=words):
        jc.plan([3, 2, 4], **options)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (Link(4, 4, structure="diagonal", tangent_cost=9), "tangent_cost 9"),
        (Link(4, 4, accumulate_cost=5), "accumulate_cost 5"),
        (Link(4, 4, structure=BlockDiagonal(2, 2, 2)), "block-diagonal .*no structure known"),
        (Link(4, 4, structure=BlockDiagonal(2, 2, 2), linear=True), "block-diagonal .*products of such Jacobians"),
    ],
)
def test_links_whose_second_derivative_is_not_known_are_refused(link, words):
    with pytest.raises(OptionError, match=words):
        jc.plan(Chain([Link(2, 4), link]), order=2)


def test_exhaustive_refuses_what_it_cannot_try():
    with pytest.raises(InfeasibleError, match="6 links"):
        jc.plan([2] * 7, order=2, planner="exhaustive")


def test_arrays_that_do_not_fit_are_refused():
    plan = jc.plan([2, 3, 1], order=2)
    jacobians, tensors = [np.ones((3, 2)), np.ones((1, 3))], [np.ones((3, 2, 2)), np.ones((1, 3, 3))]
    with pytest.raises(SizeError, match="1 jacobians and 2 tensors for 2 links"):
        evaluate(plan, jacobians[:1], tensors)
    with pytest.raises(SizeError, match="Jacobian of link 1 has shape"):
        evaluate(plan, jacobians[::-1], tensors)
    with pytest.raises(SizeError, match=r"tensor of link \d has shape"):
        evaluate(plan, jacobians, tensors[::-1])
    with pytest.raises(OptionError, match="not symmetric"):
        evaluate(plan, jacobians, [np.arange(12.0).reshape(3, 2, 2), tensors[1]])


@settings(max_examples=30)
@given(bent_chains(most=5))
def test_equal_chains_have_equal_plans_in_which_operands_come_first(bent: BentChain):
    plan = jc.plan(bent.chain, order=2)
    assert plan == jc.plan(Chain(bent.chain.links), order=2)
    for k, node in enumerate(plan.nodes):
        if not isinstance(node, Local | Elemental | Zero):
            assert max(node.left, node.right) < k


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ([3, 5, 7, 2], "meets at d_1 = 5 and d_2 = 7: 1.32 times fewer"),
        ([13, 16, 1], "meets at d_1 = 16: 1.4 times fewer"),
        ([10**6, 1, 10**6, 10**6], "times fewer"),
    ],
)
def test_the_reason_names_every_place_where_summands_are_joined(sizes, words):
    assert words in jc.plan(sizes, order=2).reason


@settings(max_examples=60)
@given(st.lists(st.sampled_from([1, 2, 3, 10, 100, 10**6]), min_size=3, max_size=6), st.booleans())
def test_reasons_have_whole_numbers_and_no_ratio_of_one(sizes, symmetric):
    reason = jc.plan(sizes, order=2, symmetric=symmetric).reason
    assert not re.search(r"\b1(\.0\d*)? times|e[+-]\d", reason)
    vertex = re.match(r"meets at d_(\d+) = [\d,]+: ", reason)
    if vertex:
        assert _places(jc.plan(sizes, order=2, symmetric=symmetric).nodes) == {int(vertex[1])}


def _places(nodes: tuple) -> set[int]:
    """The vertices at which the last Jacobians join the summands."""
    ends: list = []
    for node in nodes:
        if isinstance(node, Local):
            ends.append((node.link + 1, node.link))
        elif isinstance(node, Multiply):
            ends.append((ends[node.left][0], ends[node.right][1]))
        else:
            ends.append(None)
    found, waiting = set(), [nodes[-1]]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Sum):
            waiting += [nodes[node.left], nodes[node.right]]
        elif isinstance(node, Lift):
            found.add(ends[node.left][1])
        elif isinstance(node, Pull):
            found.add(ends[node.right][0])
    return found


def test_names_are_those_of_the_registries():
    assert tuple(SECOND_CHAIN_PLANNERS) == SECOND_CHAIN_NAMES
    assert tuple(SECOND_PLANNERS) == SECOND_NAMES
    assert {*MODES} < {*IN_WORDS} <= {*SECOND_CHAIN_NAMES}
