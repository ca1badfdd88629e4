"""Jacobians of simulations of many steps, against an expert's NumPy in several orders, jax, torch and numba."""

from functools import partial

from benchmarks import simulation_peers
from benchmarks.contender import Contender
from benchmarks.row import Row
from benchmarks.simulation_twins import burgers_forward, burgers_reverse, lorenz_by_steps, lorenz_forward
from benchmarks.target import Target
from jacchain.workloads.burgers import CELLS, burgers
from jacchain.workloads.burgers import STEPS as BURGERS_STEPS
from jacchain.workloads.lorenz96 import DT, FORCING, STATES, STEPS, lorenz96

PLANNED = "jacchain J(x)"
MOST = 1.1


def lorenz96_row(*, peers: bool) -> Row:
    """Return the row of Lorenz's model of 40 states."""
    problem = lorenz96()
    derivative, x = problem.derivative("auto"), problem.point
    orders = {
        "NumPy out=, forward": lorenz_forward,
        "NumPy out=, all steps' Jacobians at once, then their product": lorenz_by_steps,
    }
    twins = [Contender(name, "out=", partial(make(STATES, STEPS, DT, FORCING), x)) for name, make in orders.items()]
    contenders = [*twins, Contender(PLANNED, "jacchain", partial(derivative, x))]
    if peers:
        contenders += simulation_peers.lorenz96(x, STEPS)
    title = f"Lorenz-96, {STATES} states, {STEPS} RK4 steps: final state by the first"
    return Row("lorenz96", title, contenders, [Target(PLANNED, tuple(orders), MOST)], tolerance=1e-8)


def burgers_row(*, peers: bool) -> Row:
    """Return the row of Burgers' equation on 10,000 cells."""
    problem = burgers()
    derivative, p = problem.derivative("auto"), problem.point
    orders = {"NumPy out=, forward": burgers_forward, "NumPy out=, reverse": burgers_reverse}
    twins = [Contender(name, "out=", partial(make(CELLS, BURGERS_STEPS), p)) for name, make in orders.items()]
    contenders = [*twins, Contender(PLANNED, "jacchain", partial(derivative, p))]
    if peers:
        contenders += simulation_peers.burgers(p, CELLS, BURGERS_STEPS)
    title = f"Burgers, {CELLS:,} cells, {BURGERS_STEPS} steps: 3 observations by 4 parameters"
    return Row("burgers", title, contenders, [Target(PLANNED, tuple(orders), MOST)], tolerance=1e-8)
