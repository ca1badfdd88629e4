"""What ``--order 2`` asks for: the Hessian of a chain."""

from typing import TYPE_CHECKING, Final

from jacchain.cli.command import CommandLineError, as_usage
from jacchain.cli.request import Request, is_hessian_plan, plan_of
from jacchain.planning.graph import Chain
from jacchain.planning.planner import plan

if TYPE_CHECKING:  # planning of first order does not load that of second
    from jacchain.planning.second.chains.chain_plan import ChainHessianPlan
    from jacchain.planning.second.chains.comparison import HessianRival

UNUSED: Final = ("tape_limit", "memory", "workers", "chunk_size", "seconds", "seed", "unit_free", "cost", "profile")
"""Options that say nothing about a plan of order 2."""


def hessian_planned(request: Request, planner: str | None, content: bytes | None = None, /) -> "ChainHessianPlan":
    """Return a planner's plan of the Hessian of a chain, whose file may have been read already."""
    _refuse_unused(request)
    problem = request.problem(content)
    with as_usage():
        return plan(
            problem,
            order=2,
            planner=planner,
            tangents=request.tangents,
            adjoints=request.adjoints,
            symmetric=not request.both_halves,
        )


def hessian_planned_or_read(request: Request, planner: str | None, content: bytes | None, /) -> "ChainHessianPlan":
    """Return the plan of a plan file as it stands, or a planner's plan of the Hessian of a chain."""
    if content is None or not is_hessian_plan(content):
        return hessian_planned(request, planner, content)
    from jacchain.planning.second.chains.chain_plan import ChainHessianPlan

    file = request.file or "-"
    if planner is not None or any(value is not None for name, value in request._asdict().items() if name != "file"):
        raise CommandLineError(
            f"{file} is a plan already, and options to make one", "give the plan alone, or a chain or graph"
        )
    return plan_of(ChainHessianPlan, file, content)


def hessian_modes(found: "ChainHessianPlan", /) -> dict[str, "ChainHessianPlan"]:
    """Return the plans that a plan is compared with, by name."""
    from jacchain.planning.names import MODES
    from jacchain.planning.second.chains.planner import SECOND_CHAIN_BASELINES, plan_chain_hessian

    is_plain = not found.symmetric and found.planner not in MODES
    return {
        name: plan_chain_hessian(found.chain, planner=name, symmetric=not is_plain, itemsize=found.itemsize)
        for name in SECOND_CHAIN_BASELINES
        if name != found.planner
    }


def hessian_compared(request: Request, /) -> tuple[Chain, tuple["HessianRival", ...]]:
    """Return a chain with its seeds, and what every planner of its Hessian makes of it."""
    from jacchain.planning.planner import straight
    from jacchain.planning.second.chains.comparison import compare_hessian_planners
    from jacchain.planning.second.chains.elementals import seeded_twice

    _refuse_unused(request)
    problem = request.problem()
    with as_usage():
        chain = seeded_twice(straight(problem), tangents=request.tangents, adjoints=request.adjoints)
        return chain, compare_hessian_planners(chain, symmetric=not request.both_halves)


def _refuse_unused(request: Request) -> None:
    for name in UNUSED:
        value = getattr(request, name)
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            shown = option if value is True else f"{option} {value}"
            raise CommandLineError(f"{shown} for a plan of order 2", f"leave out {option}: it is for plans of order 1")
