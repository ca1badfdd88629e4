"""Plans of a Jacobian as factors: the cheapest of all cuts, orders and structures."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dense_sizes, mixed_chains

import jacchain as jc
from jacchain.algebra.product import price
from jacchain.algebra.structure import Dense
from jacchain.errors import OptionError
from jacchain.planning.exhaustive import every_order
from jacchain.planning.graph import Chain, chain_of_sizes
from jacchain.planning.link import Link
from jacchain.planning.several.factored import plan_factored

numbers = st.sampled_from([0, 1, 2, 5, 40, 1000])


def least_by_trying_every_cut(chain: Chain, p: int, q: int) -> int:
    n = len(chain)
    cuts = [sorted([0, *chosen, n]) for count in range(n) for chosen in combinations(range(1, n), count)]
    return min(sum(_least_of_run(Chain(chain.links[a:b]), p, q) for a, b in pairwise(found)) for found in cuts)


def _least_of_run(run: Chain, p: int, q: int) -> int:
    costs = []
    link = run.links[0]
    if len(run) == 1 and (link.tangent_cost is not None or p == 0) and (link.adjoint_cost is not None or q == 0):
        costs.append(p * (link.tangent_cost or 0) + q * (link.adjoint_cost or 0))
    for draft in every_order(run):
        made = draft.nodes[-1].structure
        tangent, adjoint = price(made, Dense(made.columns, 1)).cost, price(Dense(1, made.rows), made).cost
        costs.append(draft.flops + p * tangent + q * adjoint)
    return min(costs)


@settings(max_examples=80, deadline=None)
@given(st.one_of(dense_sizes(longest=5).map(chain_of_sizes), mixed_chains(longest=4)), numbers, numbers)
def test_the_plan_is_the_cheapest_of_all_cuts_orders_and_structures(chain, p, q):
    if p + q == 0:
        return
    found = plan_factored(chain, products=p, adjoint_products=q)
    assert found.flops == least_by_trying_every_cut(chain, p, q)
    forward = 0 if p == 0 else p * found.tangent_flops
    assert found.flops == found.forming_flops + forward + (0 if q == 0 else q * found.adjoint_flops)
    assert [factor.first for factor in found.factors] == [0, *(f.last + 1 for f in found.factors[:-1])]
    assert found.factors[-1].last == len(chain) - 1
    assert found.flops <= min(baseline.flops for baseline in found.baselines.values())


def test_one_product_forms_nothing_and_many_form_what_a_waist_keeps_small():
    sizes = [50, 40, 2, 40, 60]
    assert plan_factored(sizes, products=1).forming_flops == 0
    assert plan_factored(sizes, products=10**6).bracketing == "(J4 J3) · (J2 J1)"


def test_one_product_is_never_dearer_than_a_planned_jvp():
    sizes = [31, 7, 50, 3, 20]
    assert plan_factored(sizes, products=1).flops == jc.plan(sizes, tangents=1).flops


def test_adjoints_beyond_the_tape_limit_are_not_counted_on():
    chain = Chain([Link(9, 8, tangent_cost=5, adjoint_cost=5, tape=10)])
    assert plan_factored(chain, products=0, adjoint_products=1).bracketing == "F1"
    limited = plan_factored(chain, products=0, adjoint_products=1, tape_limit=9)
    assert limited.bracketing == "J1"
    assert limited.flops == 9 * 5 + 72


@pytest.mark.parametrize(("p", "q"), [(0, 0), (-1, 2), (1, -1), (1.5, 0), (True, 0)])
def test_numbers_of_products_that_make_no_sense_are_refused(p, q):
    with pytest.raises(OptionError, match="products is"):
        plan_factored([3, 4], products=p, adjoint_products=q)
