"""Pictures: every kind, for every sort of chain, as PNG and as SVG; without a display and without a warning."""

import sys
from itertools import pairwise
from xml.etree import ElementTree

import pytest

import jacchain as jc
from jacchain.errors import MissingExtraError
from jacchain.planning.comparison import compare_planners
from jacchain.planning.optimal import table_of
from jacchain.planning.profile import made
from jacchain.planning.tradeoff import tradeoff

pytest.importorskip("matplotlib")

from jacchain.report.plots.bars import bars_figure
from jacchain.report.plots.gantt import gantt_figure
from jacchain.report.plots.memory import memory_figure
from jacchain.report.plots.pareto import pareto_figure
from jacchain.report.plots.style import figure, saved
from jacchain.report.plots.table import table_figure
from jacchain.report.plots.tree import tree_figure

DRAWN = {
    "tree": tree_figure,
    "bars": lambda plan: bars_figure(plan.chain, compare_planners(plan.chain, tape_limit=plan.tape_limit)),
    "table": lambda plan: table_figure(plan, table_of(made(plan))),
    "gantt": gantt_figure,
    "memory": memory_figure,
    "pareto": lambda plan: pareto_figure(tradeoff(plan.chain, tape_limit=plan.tape_limit)),
}


def _free(links):
    sizes = [7 + 5 * (k * k % 11) for k in range(links + 1)]
    return jc.Chain(jc.Link(a, b, tangent_cost=3 * a, adjoint_cost=4 * b, tape=a * b) for a, b in pairwise(sizes))


PLANS = {
    "one link": jc.plan([3, 2]),
    "nothing to do": jc.plan(jc.Chain([jc.Link(3, 3, structure="identity")] * 3)),
    "four links": jc.plan([784, 256, 32, 256, 784]),
    "in slices": jc.plan([784, 256, 32, 256, 784], memory="4MB"),
    "two workers": jc.plan([60, 40, 50, 30, 60, 20], workers=2),
    "matrix-free": jc.plan(_free(8), tape_limit=500),
    "thirty links": jc.plan([5 + 7 * k * k % 41 for k in range(31)], planner="forward"),
    "beyond floating point": jc.plan([10**400, 3, 2]),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("kind", DRAWN)
def test_every_kind_is_drawn(kind, plan):
    content = saved(DRAWN[kind](plan), "svg")
    root = ElementTree.fromstring(content)
    assert root.tag.endswith("svg")
    assert len(content) > 1000


@pytest.mark.parametrize("kind", DRAWN)
def test_pictures_are_png_and_always_the_same(kind):
    one, two = (saved(DRAWN[kind](PLANS["four links"]), "png") for _ in range(2))
    assert one.startswith(b"\x89PNG\r\n\x1a\n")
    assert one == two


@pytest.mark.parametrize("kind", ["tree", "bars", "memory", "gantt"])
def test_long_chains_are_drawn(kind):
    plan = jc.plan([5 + 7 * k * k % 499 for k in range(3001)])
    drawn = DRAWN[kind](plan)
    assert max(drawn.get_size_inches()) <= 20
    assert saved(drawn, "png")


def test_the_same_picture_is_the_same_svg():
    assert saved(tree_figure(PLANS["four links"]), "svg") == saved(tree_figure(PLANS["four links"]), "svg")


def test_axes_are_labelled_with_what_they_count():
    for kind in ("bars", "gantt", "memory", "pareto", "table"):
        axes = DRAWN[kind](PLANS["four links"]).axes[0]
        assert axes.get_xlabel()
    assert memory_figure(PLANS["in slices"]).axes[0].get_ylabel() == "bytes held"
    assert gantt_figure(PLANS["two workers"]).axes[0].get_xlabel() == "time in multiplications"


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install jacchain\[plot\]"):
        figure(1, 1)
