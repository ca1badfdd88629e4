"""Orders of fewest multiplications against those of least predicted seconds, on random chains, and how both compare."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from math import exp, fsum, log
from statistics import mean, median
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contender import Contender
from benchmarks.race import race
from benchmarks.row import Row
from jacchain.derivatives import jacobian
from jacchain.execution.backend import CPU
from jacchain.execution.calibration.calibrate import calibrate
from jacchain.model.sequential import Sequential
from jacchain.planning.graph import Chain
from jacchain.planning.memory import arrange
from jacchain.planning.plan import Plan
from jacchain.planning.planner import plan
from jacchain.planning.pricing.profile import Profile
from jacchain.planning.pricing.store import current
from jacchain.planning.quickest.order import quickest
from jacchain.planning.quickest.predictor import ProfilePredictor
from jacchain.planning.quickest.step_seconds import order_seconds
from jacchain.workloads.networks import chain

CHAINS = 50
"""Chains that are compared, of 5 to 50 links."""

OTHERS = 4
"""Further orders of each chain: the quickest where predicted times are mistaken at random, by `BLUR`."""

BLUR = 0.5
"""Standard deviation of the logarithms of these times."""

EACH = 0.4
"""Seconds for the race of one chain's orders."""

FELT = 0.05
"""Share of the time by which an order must win or lose for it to be felt."""

WITHOUT, FEWEST, LEAST = "multiplications, NumPy's own products", "multiplications", "seconds"


class Orders(NamedTuple):
    """The orders of one chain: predicted seconds and measured times, those of fewest multiplications first.

    The second ones are those of least seconds, of the same program where the order is the same; then come others.
    """

    is_changed: bool
    predicted: tuple[float, ...]
    measured: tuple[float, ...]
    plain: float
    """Time of the order of fewest multiplications with NumPy's own products."""

    @property
    def gain(self) -> float:
        """The time of the order by seconds in that of the order by multiplications."""
        return self.measured[1] / self.measured[0]


class _Blurred(NamedTuple):
    """A predictor that is mistaken about every shape of products by a factor of its own."""

    exact: ProfilePredictor
    seed: int
    name: str = "blurred"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exact, name)

    def dense_products(self, rows: Any, middles: Any, columns: Any) -> Any:
        shape = np.broadcast_shapes(np.shape(rows), np.shape(middles), np.shape(columns))
        rng = np.random.default_rng((self.seed, *shape))
        return self.exact.dense_products(rows, middles, columns) * rng.lognormal(0.0, BLUR, shape)


@cache
def calibrated() -> Profile:
    """Return the profile of this machine: the one that `jacchain calibrate` left, or one measured now."""
    known = current()
    return calibrate(CPU, dtypes=("float64",)).profile if known.is_shipped else known


def row(*, peers: bool) -> Row:
    """Return the row: what is timed in it is all chains one after the other; each chain's own race is in the notes."""
    profile = calibrated()
    chains = [_chain(seed) for seed in range(CHAINS)]
    programs = {
        WITHOUT: [partial(jacobian(function), x) for function, x in chains],
        FEWEST: [partial(jacobian(function, profile=profile), x) for function, x in chains],
        LEAST: [partial(jacobian(function, cost="seconds", profile=profile), x) for function, x in chains],
    }
    contenders = [
        Contender(f"order by {name}", "other", partial(_all, calls), answer=None) for name, calls in programs.items()
    ]
    title = f"{CHAINS} random dense chains of 5 to 50 links, sizes 5 to 500, float64, one after the other"
    return Row("seconds", title, contenders, [], notes=lambda _: _notes(profile, chains))


def _all(calls: Sequence[Callable[[], object]]) -> None:
    for call in calls:
        call()


def _chain(seed: int) -> tuple[Sequential, Any]:
    rng = np.random.default_rng(1000 + seed)
    problem = chain(tuple(rng.integers(5, 501, size=int(rng.integers(6, 52))).tolist()), seed=seed)
    assert isinstance(problem.function, Sequential)
    return problem.function, problem.point


def _notes(profile: Profile, chains: Sequence[tuple[Sequential, Any]]) -> list[str]:
    found = [_raced(profile, function, x, seed) for seed, (function, x) in enumerate(chains)]
    gains = [orders.gain for orders in found]
    changed = [orders.gain for orders in found if orders.is_changed]
    errors = [abs(p / t - 1) for orders in found for p, t in zip(orders.predicted, orders.measured, strict=True)]
    pairs = [_spearman(orders.predicted, orders.measured) for orders in found]
    everything = [[time for orders in found for time in orders[k]] for k in (1, 2)]
    return [
        f"profile: {profile.name}; times are minima of interleaved rounds, a ratio above 1 is a loss",
        f"order by seconds / by multiplications, same ways of products: {_spread(gains)}",
        f"  of the {len(changed)} of {len(gains)} chains whose order is another: {_spread(changed)}",
        f"  faster by more than {FELT:.0%}: {_share(gain < 1 - FELT for gain in gains)}; "
        f"slower by more than {FELT:.0%}: {_share(gain > 1 + FELT for gain in gains)}",
        f"  predicted: {_spread([orders.predicted[1] / orders.predicted[0] for orders in found])}",
        f"by seconds / by multiplications by NumPy's own products: {_spread([o.measured[1] / o.plain for o in found])}",
        f"ways of products alone, both by multiplications: {_spread([o.measured[0] / o.plain for o in found])}",
        f"predicted against measured, {len(errors)} orders: median relative error {median(errors):.1%}",
        f"rank correlation of the orders of a chain: mean {mean(pairs):.2f}, median {median(pairs):.2f}; "
        f"over all orders {_spearman(*everything):.3f}",
    ]


def _raced(profile: Profile, function: Sequential, x: Any, seed: int) -> Orders:
    """Return the times of one chain's orders, raced with one another."""
    fewest, least = (jacobian(function, cost=cost, profile=profile) for cost in ("multiplications", "seconds"))
    is_changed = fewest.plan(x).nodes != least.plan(x).nodes
    others = _others(profile, fewest.plan(x).chain, seed)
    runs = [jacobian(function), fewest, *([least] if is_changed else [])]
    runs += [jacobian(function, plan=other, profile=profile) for other in others]
    contenders = [Contender(str(k), "other", partial(run, x), answer=None) for k, run in enumerate(runs)]
    plain, *measured = (times.minimum for times in race(contenders, EACH, rounds=12, seed=seed))
    predicted = [found.seconds or 0.0 for found in (fewest.plan(x), least.plan(x), *others)]
    measured = measured if is_changed else [measured[0], *measured]
    return Orders(is_changed, tuple(predicted), tuple(measured), plain)


def _others(profile: Profile, links: Chain, seed: int) -> list[Plan]:
    """Return further orders of a chain that are no bad ones, with their predicted seconds."""
    exact = ProfilePredictor(profile.name, profile.rates_of(8), links.links)
    known = plan(links, profile=profile)
    found = []
    for k in range(OTHERS):
        draft = quickest(links, _Blurred(exact, OTHERS * seed + k))
        nodes = arrange(links, draft.nodes, len(draft.nodes) - 1)[0]
        seconds = order_seconds(exact, links, nodes)
        found.append(replace(known, nodes=nodes, flops=draft.flops, seconds=seconds, step_seconds=()))
    return found


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    center = exp(fsum(map(log, values)) / len(values))
    return f"mean {center:.3f}, median {median(values):.3f}, best {min(values):.3f}, worst {max(values):.3f}"


def _share(flags: Any) -> str:
    found = list(flags)
    return f"{sum(found)} of {len(found)}"


def _spearman(predicted: Sequence[float], measured: Sequence[float]) -> float:
    ranks = [np.argsort(np.argsort(values)) for values in (predicted, measured)]
    return float(np.corrcoef(*ranks)[0, 1])
