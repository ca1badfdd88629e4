"""The same work after calibration: products in the ways that this machine makes best, against the same twins."""

from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks import autoencoder, chain
from benchmarks.contender import Contender
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.derivatives import jacobian
from jacchain.execution.backend import CPU
from jacchain.execution.calibration.calibrate import calibrate
from jacchain.planning.pricing.profile import Profile
from jacchain.workloads import networks

SECONDS = 60.0
"""For the calibration, which all rows share."""

BOUND = 0.85

PROMISED = ("chain-calibrated", "autoencoder-2048-calibrated")
"""The rows that are to reach the bound; what others gain is only shown."""


@cache
def profile() -> Profile:
    """Return this machine's profile, measured now with the threads that BLAS has."""
    return calibrate(CPU, seconds=SECONDS, dtypes=("float64",)).profile


def chain_row(*, peers: bool) -> Row:
    """Return the row of the chain's products."""
    problem = networks.chain()
    row = _row(chain.multiply_row(peers=peers), "chain-calibrated", problem)
    together = partial(jacobian(problem.function, workers=2, profile=profile()), problem.point)
    return row._replace(contenders=[*row.contenders, Contender("jacchain J(x), two workers", "other", together)])


def autoencoder_row(dims: tuple[int, ...], *, peers: bool) -> Row:
    """Return the row of an autoencoder's Jacobian."""
    plain = autoencoder.row(dims, 1.0, peers=peers)
    return _row(plain, f"{plain.name}-calibrated", networks.autoencoder(dims))


def _row(plain: Row, name: str, problem: Any) -> Row:
    """Return a row with jacchain's contenders calibrated, and as one that calls without a profile gets it."""
    function, x = problem.function, problem.point
    twins = [each for each in plain.contenders if each.role in ("plain", "out=")]
    before = next(each for each in plain.contenders if each.role == "jacchain")
    calibrated = jacobian(function, cost="seconds", profile=profile())
    same_order = jacobian(function, profile=profile())
    out = np.empty_like(before.call())
    contenders = [
        *twins,
        Contender("jacchain J(x), cost seconds", "jacchain", partial(calibrated, x)),
        Contender("jacchain J(x, out=), cost seconds", "jacchain out=", partial(calibrated, x, out=out)),
        Contender("jacchain J(x), order of the twins", "other", partial(same_order, x)),
        before._replace(name="jacchain J(x), no profile", role="other"),
        *(each for each in plain.contenders if each.role in ("jax", "torch")),
    ]
    target = Target("jacchain J(x), cost seconds", tuple(twin.name for twin in twins), BOUND)
    return Row(name, f"{plain.title}, calibrated", contenders, [target] if name in PROMISED else [])
