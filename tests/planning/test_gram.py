"""Plans of JᵀJ: the cheapest of their family, never dearer than forming J first."""

from itertools import combinations, pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dense_sizes, mixed_chains

import jacchain as jc
from jacchain.algebra.expand import expand_cost
from jacchain.algebra.symmetric import congruence, gram
from jacchain.errors import OptionError, SizeError
from jacchain.planning.exhaustive import every_order
from jacchain.planning.graph import Chain, chain_of_sizes
from jacchain.planning.link import Link
from jacchain.planning.several.gram import plan_gram


def least_by_trying_everything(chain: Chain) -> int:
    """The cheapest over all sets of vertices, all orders of every factor, and so all of their structures."""
    n = len(chain)
    best = []
    for count in range(n):
        for chosen in combinations(range(1, n), count):
            cuts = [(b, a) for a, b in pairwise(sorted([0, *chosen, n]))]
            factors = [list(every_order(Chain(chain.links[a:b]))) for b, a in reversed(cuts)]
            for drafts in product(*factors):
                best.append(sum(draft.flops for draft in drafts) + _symmetric([d.nodes[-1].structure for d in drafts]))
    return min(best)


def _symmetric(structures) -> int:
    made = gram(structures[0])
    flops = made.cost
    for structure in structures[1:]:
        made = congruence(made.structure, structure)
        flops += made.cost
    return flops + expand_cost(made.structure)


@settings(max_examples=50, deadline=None)
@given(st.one_of(dense_sizes(longest=4).map(chain_of_sizes), mixed_chains(longest=3)))
def test_the_plan_is_the_cheapest_of_its_family(chain):
    assert plan_gram(chain).flops == least_by_trying_everything(chain)


@settings(max_examples=60, deadline=None)
@given(st.one_of(dense_sizes(longest=10).map(chain_of_sizes), mixed_chains(longest=6)))
def test_a_plan_adds_up_and_never_costs_more_than_forming_the_jacobian_first(chain):
    found = plan_gram(chain)
    assert found.flops >= sum(node.flops for node in found.nodes) + sum(step.flops for step in found.steps)
    assert found.flops <= min(baseline.flops for baseline in found.baselines.values() if baseline.flops is not None)
    vertices = [step.vertex for step in found.steps]
    assert vertices == sorted(vertices, reverse=True)
    assert vertices[-1] == 0
    spans = [(found.nodes[root].structure.rows, found.nodes[root].structure.columns) for root in found.roots]
    assert spans == [(chain.sizes[a], chain.sizes[b]) for a, b in pairwise([len(chain), *vertices])]


@settings(max_examples=60, deadline=None)
@given(dense_sizes(longest=8, most=60))
def test_a_plan_costs_at_most_the_cheapest_bracketing_of_the_symmetric_chain(sizes):
    # J1ᵀ…Jnᵀ Jn…J1 as a chain of 2n links that knows nothing of symmetry
    assert plan_gram(sizes).flops <= jc.plan([*sizes, *sizes[-2::-1]]).flops


def test_a_waist_carries_the_gram_matrix():
    found = plan_gram([500, 200, 3, 30, 40])
    assert [step.vertex for step in found.steps] == [2, 0]
    assert "d_2 = 3" in found.reason
    assert 2 * found.flops < found.baselines["jacobian"].flops


def test_a_tall_jacobian_is_formed_first():
    assert [step.vertex for step in plan_gram([10, 100, 1000]).steps] == [0]


def test_diagonal_links_stay_diagonal():
    found = plan_gram(Chain([Link(50, 50, structure="diagonal"), Link(50, 50, structure="diagonal")]))
    assert found.flops == 100


def test_bad_input_is_refused():
    with pytest.raises(SizeError):
        plan_gram([3])
    with pytest.raises(OptionError, match="tape_limit"):
        plan_gram([3, 4], tape_limit=-1)
