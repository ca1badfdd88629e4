"""Planning by predicted seconds: against every order, against multiplications, and within limits."""

import json
import pickle
import re
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from math import fsum, isclose
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dense_sizes, graphs, mixed_chains

import jacchain as jc
from jacchain.algebra.product import price
from jacchain.errors import FileError, InfeasibleError, OptionError
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.planner import plan_graph
from jacchain.planning.exhaustive import every_order
from jacchain.planning.fit import as_slices
from jacchain.planning.graph import Chain, chain_of_sizes
from jacchain.planning.link import accumulation_cost
from jacchain.planning.memory import arrange
from jacchain.planning.optimal import optimal
from jacchain.planning.plan import Plan
from jacchain.planning.planner import plan
from jacchain.planning.planners import EXACT, PLANNERS
from jacchain.planning.pricing.published import published_profile
from jacchain.planning.pricing.store import warn_of_differences
from jacchain.planning.pricing.this_machine import this_machine
from jacchain.planning.quickest import order
from jacchain.planning.quickest.fits import GAIN
from jacchain.planning.quickest.order import quickest
from jacchain.planning.quickest.quickest_reason import quicker_reason
from jacchain.planning.quickest.step_seconds import order_seconds, sliced_seconds, steps_seconds
from jacchain.planning.slicing import Slicing, sliced
from jacchain.planning.within import TICK, cheapest_within


class Stub(NamedTuple):
    """Seconds of a machine that starts slowly, and is slow with thin operands; exact in binary, so that sums are."""

    name: str = "stub"
    call: float = 2.0**-20
    rate: float = 2.0**-34
    thin: float = 0.0

    def product(self, left, right):
        return float(self._product(left.rows, left.columns, right.columns, price(left, right).cost))

    def _product(self, m, k, n, cost):
        narrow = np.minimum(np.minimum(m, k), n)
        return self.call * (cost > 0) + self.rate * cost * (1 + self.thin / narrow**2)

    def addition(self, left, right):
        return self.call + self.rate * left.rows * left.columns

    def sweep(self, link, count, mode):
        return self.call + self.rate * count * (link.tangent_cost if mode == "tangent" else link.adjoint_cost)

    def local(self, link, mode):
        return self.rate * (accumulation_cost(link, mode) or 0)

    def dense_products(self, rows, middles, columns):
        return self._product(rows, middles, columns, rows * middles * columns)


PROPORTIONAL, SLOW, THIN = Stub("proportional", 0.0), Stub("slow", 2.0**-26), Stub("thin", 2.0**-28, thin=8.0)
STUBS = [PROPORTIONAL, SLOW, THIN]


ANY = {"any": "profile"}


@contextmanager
def predicting(stub):
    """Let every profile predict as a stub does."""
    with pytest.MonkeyPatch.context() as patch:
        for place in ("timed", "predictor"):
            patch.setattr(f"jacchain.planning.quickest.{place}.predictor_of", lambda *_: stub)
        yield


@settings(max_examples=30)
@given(dense_sizes(longest=10))
def test_where_seconds_are_proportional_to_multiplications_the_quickest_order_is_the_cheapest(sizes):
    chain = chain_of_sizes(sizes)
    assert quickest(chain, PROPORTIONAL).flops == optimal(chain).flops


@settings(max_examples=30)
@given(mixed_chains(longest=5))
def test_so_it_is_for_structures_tangents_and_adjoints(chain):
    assert quickest(chain, PROPORTIONAL).flops == optimal(chain).flops


@settings(max_examples=30)
@given(mixed_chains(longest=5), st.sampled_from(STUBS))
def test_no_order_of_all_is_quicker_than_the_quickest(chain, stub):
    found = quickest(chain, stub)
    least = min(order_seconds(stub, chain, draft.nodes) for draft in every_order(chain))
    assert isclose(order_seconds(stub, chain, found.nodes), least, rel_tol=1e-12)
    assert order_seconds(stub, chain, quickest(chain, stub, bound=least).nodes) == order_seconds(
        stub, chain, found.nodes
    )


@settings(max_examples=30)
@given(mixed_chains(longest=4), st.integers(1, 300), st.sampled_from(STUBS))
def test_within_room_no_order_that_fits_is_quicker(chain, room, stub):
    fitting = [draft for draft in every_order(chain) if arrange(chain, draft.nodes, len(draft.nodes) - 1)[1] <= room]
    found = cheapest_within(chain, room, predictor=stub)
    assert (found is None) == (not fitting)
    if found is not None:
        assert arrange(chain, found.nodes, len(found.nodes) - 1)[1] <= room
        least = min(order_seconds(stub, chain, draft.nodes) for draft in fitting)
        assert order_seconds(stub, chain, found.nodes) <= least + len(chain) * TICK


@settings(max_examples=20)
@given(mixed_chains(longest=4), st.sampled_from(STUBS), st.integers(1, 400) | st.none(), st.sampled_from(EXACT))
def test_a_plan_by_seconds_keeps_its_limits_is_3_percent_quicker_or_that_of_least_multiplications(
    chain, stub, numbers, planner
):
    limit = None if numbers is None else 8 * numbers
    with predicting(stub):
        try:
            known = plan(chain, planner=planner, memory=limit, profile=ANY)
        except InfeasibleError as error:
            with pytest.raises(InfeasibleError, match=re.escape(error.what)):
                plan(chain, planner=planner, memory=limit, cost="seconds")
            return
        found = plan(chain, planner=planner, memory=limit, cost="seconds")
    assert limit is None or found.peak <= limit
    assert found.seconds <= (1 - GAIN) * known.seconds or found.nodes == known.nodes
    assert ("fewer seconds" in found.reason) == (found.nodes != known.nodes or found.slicing != known.slicing)
    assert (found.cost, known.cost, found.profile) == ("seconds", "multiplications", stub.name)
    assert found.lower_bound <= found.flops
    assert Plan.from_json(found.to_json()) == found
    if found.slicing is None:
        assert fsum(found.step_seconds) == found.seconds
        assert found.flops == sum(node.flops for node in found.nodes)
    if limit is None:
        least = min(order_seconds(stub, chain, draft.nodes) for draft in every_order(chain))
        assert found.seconds * (1 - GAIN) <= least * (1 + 1e-12)


def test_a_thin_product_is_avoided_where_it_takes_longer_than_its_multiplications_say():
    with predicting(Stub("odd", 0.0, thin=2000.0)):
        found = plan([24, 5, 300, 300], cost="seconds")
        assert found == plan([24, 5, 300, 300], cost="seconds")
    assert found.bracketing == "(J3 (J2 J1))"
    assert found.seconds < found.baselines["reverse"].seconds
    assert found.flops > found.baselines["reverse"].flops == found.lower_bound
    assert "more multiplications" in found.reason
    assert "by the profile odd" in found.reason
    assert "predicted" in str(found)


@settings(max_examples=30)
@given(mixed_chains(longest=4), st.sampled_from(sorted(set(PLANNERS) - set(EXACT))))
def test_a_planner_of_one_order_keeps_it_and_gets_its_seconds(chain, planner):
    try:
        known = plan(chain, planner=planner)
    except InfeasibleError:
        return
    with predicting(SLOW):
        found = plan(chain, planner=planner, cost="seconds")
    assert (found.nodes, found.reason) == (known.nodes, known.reason)
    assert found.seconds == order_seconds(SLOW, chain, found.nodes)
    if planner in found.baselines:
        assert found.baselines[planner].seconds == found.seconds


@given(dense_sizes(longest=4, most=12), st.sampled_from(["columns", "rows"]), st.integers(1, 12))
def test_all_slices_take_as_long_as_each_of_them_by_itself(sizes, axis, size):
    chain = chain_of_sizes(sizes)
    slicing = Slicing(axis, min(size, sizes[0] if axis == "columns" else sizes[-1]))
    found = as_slices(chain, optimal(sliced(chain, slicing)), slicing)
    each = steps_seconds(SLOW, sliced(chain, slicing).links, found.nodes)
    count, rest = divmod(slicing.length(chain), slicing.size)
    total = sliced_seconds(SLOW, chain, found.nodes, slicing, found.once)
    assert total >= fsum(each[: found.once]) + count * fsum(each[found.once :]) * (1 - 1e-12)
    assert rest or isclose(total, fsum(each[: found.once]) + count * fsum(each[found.once :]))


def test_chains_that_are_too_long_for_seconds_are_ordered_by_multiplications(monkeypatch):
    monkeypatch.setattr(order, "LONGEST", 5)
    with predicting(THIN):
        found = plan([7, 3, 9, 4, 8, 2, 6], cost="seconds")
    assert found.flops == plan([7, 3, 9, 4, 8, 2, 6]).flops
    assert "6 links are ordered by multiplications, too many for seconds" in found.reason


@settings(max_examples=10)
@given(graphs(interior=5, structured=True), st.sampled_from(["auto", "optimal", "forward"]), st.sampled_from(STUBS))
def test_plans_of_graphs_by_seconds_are_quicker_or_those_of_least_multiplications(graph, planner, stub):
    with predicting(stub):
        known = plan_graph(graph, planner=planner, seconds=0.002, profile=ANY)
        found = plan_graph(graph, planner=planner, seconds=0.002, cost="seconds", memory=known.peak)
    assert found.seconds <= (1 - GAIN) * known.seconds or found.nodes == known.nodes
    assert found.peak <= known.peak
    assert fsum(found.step_seconds) == found.seconds
    assert GraphPlan.from_json(found.to_json()) == found
    assert planner != "forward" or found.nodes == known.nodes
    assert found.baselines["reverse"].seconds is not None


def test_plans_that_say_nothing_of_seconds_load_as_ever():
    for found in (plan([13, 16, 1]), plan_graph(jc.Graph({"x": 2, "y": 3}, [jc.Edge("x", "y")]))):
        old = json.loads(found.to_json())
        for key in ("cost", "predicted_seconds", "profile"):
            del old[key]
        assert type(found).from_json(json.dumps(old)) == found
        assert "predicted_seconds" not in json.dumps(old)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predicted_seconds": -1.0}, "not all are times"),
        ({"profile": None}, "need a $.profile"),
        ({"predicted_seconds": None, "profile": None}, "not all have predicted_seconds"),
        ({"profile": ""}, "need a $.profile"),
        ({"predicted_seconds": 5.0}, "5 predicted seconds, but its steps take"),
        ({"cost": "second"}, "$.cost"),
    ],
)
def test_predictions_that_make_no_sense_are_refused(change, message):
    with predicting(SLOW):
        document = json.loads(plan([13, 16, 1], cost="seconds").to_json())
    with pytest.raises(FileError, match=re.escape(message)):
        Plan.from_json(json.dumps(document | change))


def test_a_document_by_seconds_has_them():
    document = json.loads(plan([13, 16, 1]).to_json())
    with pytest.raises(FileError, match="but it has none"):
        Plan.from_json(json.dumps(document | {"cost": "seconds"}))


@settings(max_examples=20)
@given(mixed_chains(longest=4), st.sampled_from(STUBS), st.data())
def test_chains_whose_links_cost_nothing_are_planned_by_seconds(chain, stub, data):
    free = [data.draw(st.booleans()) for _ in chain.links]
    links = [
        replace(link, tangent_cost=0, adjoint_cost=0) if is_free else link
        for link, is_free in zip(chain.links, free, strict=True)
    ]
    with predicting(stub):
        found = plan(Chain(tuple(links)), cost="seconds")
    assert Plan.from_json(found.to_json()) == found


def test_a_quicker_order_of_a_problem_without_multiplications_has_its_reason():
    assert "with 3 multiplications in place of 0" in quicker_reason(1.0, 3, 2.0, 0, "X")


@pytest.mark.parametrize("size", [10**100, 10**400])
def test_sizes_that_no_float_holds_are_ordered_by_multiplications(size):
    chain, edges = [size, 3, size], [jc.Edge("x", "s"), jc.Edge("s", "y")]
    graph = jc.Graph({"x": size, "s": 3, "y": size}, edges)
    for found, known in (
        (plan(chain, cost="seconds"), plan(chain)),
        (plan_graph(graph, cost="seconds"), plan_graph(graph)),
    ):
        assert (found.seconds, found.flops, found.cost) == (None, known.flops, "multiplications")
        assert "have no predicted seconds" in found.reason
        assert type(found).from_json(found.to_json()) == found


def test_the_reason_says_whether_all_orders_were_looked_at():
    with predicting(PROPORTIONAL):
        assert "no other is predicted" in plan([9, 3, 8, 2], cost="seconds").reason
        assert "none of the others tried is" in plan([9, 3, 8, 2], cost="seconds", chunk_size=2).reason


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cost": "second"}, OptionError, "did you mean 'seconds'"),
        ({"profile": 3}, OptionError, "profile is 3"),
        ({"profile": "no/such/profile.json"}, FileError, "no/such/profile.json"),
        ({"profile": {"schema": "jacchain.plan/v1"}}, FileError, "jacchain.profile/v1"),
        ({"cost": "seconds", "workers": 2}, OptionError, "leave one of them out"),
        ({"cost": "seconds", "order": 2}, OptionError, "cost is 'seconds'"),
    ],
)
def test_costs_and_profiles_that_make_no_sense_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        plan([3, 4, 5], **options)
    if "order" not in options and "workers" not in options:
        with pytest.raises(error, match=message):
            jc.jacobian(jc.layers.Tanh(), **options)
        with pytest.raises(error, match=message):
            jc.gradient(lambda x: x @ x, **options)
        with pytest.raises(error, match=message):
            plan_graph(jc.Graph({"x": 2, "y": 3}, [jc.Edge("x", "y")]), **options)


def test_a_derivative_planned_by_seconds_gives_the_same_numbers_in_another_order():
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((b, a)) for a, b in pairwise([60, 4, 70, 70, 3, 60])]
    function = jc.Sequential([layer for w in weights for layer in (jc.layers.Linear(w), jc.layers.Tanh())])
    profile = replace(published_profile(), name="published", machine=this_machine(), is_shipped=False)
    x = rng.standard_normal(60)
    wanted, known = jc.jacobian(function)(x), jc.jacobian(function).plan(x)
    found = jc.jacobian(function, cost="seconds", profile=profile)
    np.testing.assert_allclose(found(x), wanted, rtol=1e-10)
    assert (found.plan(x).cost, found.plan(x).profile) == ("seconds", "published")
    assert (
        found.plan(x).seconds < jc.jacobian(function, profile=profile).plan(x).seconds
        or found.plan(x).flops == known.flops
    )
    np.testing.assert_allclose(pickle.loads(pickle.dumps(found))(x), wanted, rtol=1e-10)
    plain = jc.jacobian(lambda x: np.tanh(weights[1] @ np.tanh(weights[0] @ x)), cost="seconds", profile=profile)
    assert plain.plan(x).seconds > 0
    assert jc.jacobian(lambda x: x[0] * x[1], cost="seconds", profile=profile).plan(x[:2]).cost == "seconds"


def test_the_profile_that_came_with_the_package_says_so(monkeypatch, call, tmp_path):
    monkeypatch.delenv("JACCHAIN_PROFILE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert plan([13, 16, 1], cost="seconds").profile.endswith("(shipped)")
    _, out, _ = call("plan", "--dims", "13,16,1", "--cost", "seconds")
    assert "jacchain calibrate measures this machine" in " ".join(out.split())


def test_the_command_line_shows_predicted_seconds(monkeypatch, call, tmp_path):
    warn_of_differences.cache_clear()
    path = tmp_path / "profile.json"
    path.write_text(replace(published_profile(), name="published", is_shipped=False).to_json())
    given = ("--dims", "784,256,32,256,784", "--profile", str(path))
    code, out, err = call("plan", *given, "--cost", "seconds")
    assert code == 0
    assert err.startswith("warning: the profile published was measured with")
    assert err.endswith("\n  measure this machine with jacchain calibrate\n")
    assert "predicted by the profile published" in " ".join(out.split())
    assert "planner   multiplications   ratio   predicted   ratio" in out
    for command in ("explain", "compare"):
        code, out, _ = call(command, *given, "--cost", "seconds")
        assert code == 0
        assert "predicted" in out
        assert max(map(len, out.split("\n"))) <= 80
    code, out, _ = call("compare", *given, "--json")
    assert json.loads(out)["planners"]["forward"]["predicted_seconds"] > 0
    code, out, _ = call("explain", *given, "--format", "csv")
    assert out.splitlines()[0].endswith(",predicted_seconds")
    code, out, _ = call("plan", *given, "--cost", "seconds", "--json")
    assert Plan.from_json(out).cost == "seconds"
    code, _, err = call("plan", "--dims", "3,2", "--cost", "second")
    assert (code, "did you mean 'seconds'" in err) == (2, True)
    code, _, err = call("plan", "--dims", "3,2", "--profile", str(tmp_path / "none.json"))
    assert (code, "none.json" in err) == (1, True)
