"""The front door of planning."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, overload

from jacchain.errors import OptionError
from jacchain.planning.chain_planner import Conditions, plan_chain
from jacchain.planning.cost import Cost, ProfileLike, as_cost
from jacchain.planning.elimination.chained import is_path
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.elimination.planner import as_seconds, as_seed, fitting, plan_graph, refuse_options
from jacchain.planning.elimination.planners import GRAPH_PLANNERS
from jacchain.planning.graph import Chain, Graph, chain_of_sizes, path, seeded
from jacchain.planning.limits import as_bytes, as_limit
from jacchain.planning.link import as_size
from jacchain.planning.names import SECOND_CHAIN_NAMES
from jacchain.planning.plan import Plan
from jacchain.planning.planners import PLANNERS
from jacchain.planning.scheduling.scheduled import as_workers

if TYPE_CHECKING:  # planning of first order does not load that of second
    from jacchain.planning.second.chains.chain_plan import ChainHessianPlan


@overload
def plan(
    problem: Chain | Iterable[int],
    /,
    *,
    order: Literal[1] = 1,
    planner: str | None = None,
    tape_limit: int | None = None,
    memory: int | str | None = None,
    workers: int | None = None,
    chunk_size: int | None = None,
    tangents: int | None = None,
    adjoints: int | None = None,
    itemsize: int = 8,
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
    seconds: float = 1.0,
    seed: int = 0,
    unit_free: bool = False,
) -> Plan: ...


@overload
def plan(
    problem: Graph,
    /,
    *,
    order: Literal[1] = 1,
    planner: str | None = None,
    tape_limit: int | None = None,
    memory: int | str | None = None,
    workers: int | None = None,
    chunk_size: int | None = None,
    tangents: int | None = None,
    adjoints: int | None = None,
    itemsize: int = 8,
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
    seconds: float = 1.0,
    seed: int = 0,
    unit_free: bool = False,
) -> Plan | GraphPlan: ...


@overload
def plan(
    problem: Chain | Graph | Iterable[int],
    /,
    *,
    order: Literal[2],
    planner: str | None = None,
    tangents: int | None = None,
    adjoints: int | None = None,
    symmetric: bool = True,
    itemsize: int = 8,
) -> "ChainHessianPlan": ...


def plan(
    problem: Chain | Graph | Iterable[int],
    /,
    *,
    order: int = 1,
    planner: str | None = None,
    tape_limit: int | None = None,
    memory: int | str | None = None,
    workers: int | None = None,
    chunk_size: int | None = None,
    tangents: int | None = None,
    adjoints: int | None = None,
    itemsize: int = 8,
    cost: Cost = "multiplications",
    profile: ProfileLike = None,
    seconds: float = 1.0,
    seed: int = 0,
    unit_free: bool = False,
    symmetric: bool = True,
) -> "Plan | GraphPlan | ChainHessianPlan":
    """Find an order in which to accumulate the Jacobian of a chain, the Jacobians of a graph, or a chain's Hessian.

    Parameters
    ----------
    problem : Chain, Graph, or iterable of int
        A chain of links, the sizes d_0 … d_n of dense links, or a graph.
    order : int
        1 for Jacobians; 2 for the second derivative of a chain, a tensor of d_n × d_0 × d_0, given those of its links.
        For order 2 the planner is one of ``SECOND_CHAIN_PLANNERS``, "optimal" unless stated, tangents and adjoints are
        V and U of U·H[V, V], and of the other options only `symmetric` and `itemsize` apply.
    planner : str, optional
        One of ``PLANNERS`` for chains, "optimal" unless stated; one of ``GRAPH_PLANNERS`` for graphs, "auto" unless
        stated. A graph in which one path joins the only request is planned as a chain if the planner is one of
        chains.
    tape_limit : int, optional
        No adjoint of a link whose tape is larger, be it to apply it or to accumulate its local Jacobian.
    memory : int or str, optional
        Bytes that may be held at once, such as ``"512MiB"``. Where no order fits, the Jacobian is made in slices.
    workers : int, optional
        Workers that share the steps, each one at a time; the plan of the least makespan that is found within about a
        second is given, with a proven lower bound of it. Another planner's order is kept and scheduled. Results of
        steps that may run at once do not share storage, so that a memory limit may leave fewer workers, or one; a
        Jacobian in slices is made by one.
    chunk_size : int, optional
        Make the Jacobian in slices of so many columns or rows.
    tangents, adjoints : int, optional
        Plan U·J_n…J_1·V for a V of so many columns and a U of so many rows.
    itemsize : int
        Bytes per number.
    cost : {"multiplications", "seconds"}
        What the plan is to be the cheapest in. An order of fewer predicted seconds is taken in place of that of least
        multiplications where it saves at least 3 % of them; a planner of one fixed order keeps it.
    profile : Profile, path or mapping, optional
        What predicts seconds: a profile, its file or its document; that of this machine unless stated. With a profile,
        every plan has its predicted seconds.
    seconds : float
        What a search for the order of a graph may take.
    seed : int
        Of that search.
    unit_free : bool
        Do not count products by an identity or a negation in a graph; a chain's identities are never counted.
    symmetric : bool
        Of order 2: compute one half of what is symmetric, and mirror it.

    Returns
    -------
    Plan, GraphPlan or ChainHessianPlan
        With exact cost, peak, baselines and the reason; a `GraphPlan` of a graph that is not planned as a chain, a
        `ChainHessianPlan` of order 2.

    Raises
    ------
    SizeError, OptionError
        Bad sizes, links that do not meet, unknown planner, limits that are no numbers.
    InfeasibleError
        The planner has no order for this chain, or none within the limits; the message says which limit would do.

    Examples
    --------
    >>> found = plan([784, 256, 32, 256, 784])
    >>> found.bracketing, found.flops
    ('((J4 J3) (J2 J1))', 32514048)
    >>> {name: baseline.flops for name, baseline in found.baselines.items() if name in ("forward", "reverse")}
    {'forward': 170196992, 'reverse': 170196992}
    >>> small = plan([784, 256, 32, 256, 784], memory="4MB")
    >>> small.slicing, small.peak, small.flops
    (Slicing(axis='columns', size=49), 3795456, 32514048)
    >>> plan([13, 16, 1], order=2).flops, plan([13, 16, 1], order=2).baselines["forward_over_forward"].flops
    (6240, 8736)
    """
    own: dict[str, object] = {"workers": workers, "chunk_size": chunk_size}
    _expect_truth("symmetric", symmetric)
    _expect_truth("unit_free", unit_free)
    if _is_second(order):
        own |= {"tape_limit": tape_limit, "memory": memory, "seconds": None if seconds == 1.0 else seconds}
        own |= {"seed": seed or None, "unit_free": unit_free or None, "profile": None if profile is None else "given"}
        own |= {"cost": None if cost == "multiplications" else cost}
        _refuse(own, "a plan of order 2 has no use for it")
        return _second(straight(problem), planner, tangents, adjoints, symmetric, as_size(itemsize, "itemsize"))
    _refuse({"symmetric": None if symmetric else symmetric}, "it is for plans of order 2")
    _refuse_second(planner)
    as_seconds(seconds), as_seed(seed)
    if isinstance(problem, Graph) and not (_is_chain(problem, planner) and not unit_free):
        own |= {"tangents": tangents, "adjoints": adjoints}
        refuse_options({name: value for name, value in own.items() if value is not None})
        limit = None if memory is None else as_bytes(memory)
        found = plan_graph(
            problem,
            planner="auto" if planner is None else planner,
            seconds=seconds,
            seed=seed,
            unit_free=unit_free,
            tape_limit=tape_limit,
            itemsize=itemsize,
            cost=cost,
            profile=profile,
            memory=limit,
        )
        return fitting(found, limit)
    given = Conditions(
        None if tape_limit is None else as_limit(tape_limit, "tape_limit"),
        None if memory is None else as_bytes(memory),
        None if workers is None else as_workers(workers),
        chunk_size,
        as_size(itemsize, "itemsize"),
        as_cost(cost),
        profile,
    )
    whole = seeded(as_chain(problem), tangents=tangents, adjoints=adjoints)
    return plan_chain(whole, "optimal" if planner is None else planner, given)


def _expect_truth(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise OptionError(f"{name} is {value!r}", "give True or False")


def _is_second(order: object) -> bool:
    """Whether a plan of order 2 is asked for."""
    if not isinstance(order, int) or isinstance(order, bool) or order not in (1, 2):
        raise OptionError(f"order is {order!r}", "give 1 for Jacobians, or 2 for the Hessian of a chain")
    return order == 2


def _refuse(options: dict[str, object], why: str) -> None:
    """Raise the error of the first option that is given."""
    for name, value in options.items():
        if value is not None:
            raise OptionError(f"{name} is {value!r}", f"leave {name} out: {why}")


def _second(
    chain: Chain, planner: str | None, tangents: int | None, adjoints: int | None, symmetric: bool, itemsize: int
) -> "ChainHessianPlan":
    from jacchain.planning.second.chains.elementals import seeded_twice
    from jacchain.planning.second.chains.planner import plan_chain_hessian

    name = "optimal" if planner is None else planner
    if name not in SECOND_CHAIN_NAMES and name in (*PLANNERS, *GRAPH_PLANNERS):
        raise OptionError(
            f"unknown planner of order 2 {name!r}",
            f"it plans order 1: leave out order, or --order, or take one of {', '.join(SECOND_CHAIN_NAMES)}",
        )
    whole = seeded_twice(chain, tangents=tangents, adjoints=adjoints)
    return plan_chain_hessian(whole, planner=name, symmetric=symmetric, itemsize=itemsize)


def _refuse_second(planner: object) -> None:
    """Raise the error of a planner that plans second derivatives only."""
    if planner in SECOND_CHAIN_NAMES and planner not in (*PLANNERS, *GRAPH_PLANNERS):
        raise OptionError(
            f"unknown planner of order 1 {planner!r}",
            "it plans order 2, the Hessian of a chain: give order=2, or --order 2 on the command line",
        )


def straight(problem: Chain | Graph | Iterable[int], /) -> Chain:
    """Return the chain whose Hessian is to be planned."""
    if isinstance(problem, Graph) and not is_path(problem):
        raise OptionError(
            "order is 2 for a graph that is no path",
            "order 2 plans chains; jacchain.hessian plans the Hessian of a function, whatever its graph",
        )
    return as_chain(problem)


def _is_chain(graph: Graph, planner: str | None) -> bool:
    """Whether a graph is planned as a chain: one path for one request, and a planner of chains."""
    return is_path(graph) and (planner is None or planner in tuple(PLANNERS) or planner not in tuple(GRAPH_PLANNERS))


def as_chain(problem: Chain | Graph | Iterable[int], /) -> Chain:
    """Return the chain of a chain, of a path-shaped graph, or of sizes."""
    match problem:
        case Chain():
            return problem
        case Graph():
            return path(problem)
        case str() | bytes():
            raise OptionError(f"cannot plan {problem!r}", "give sizes such as [13, 16, 1], a Chain or a Graph")
        case Iterable():
            return chain_of_sizes(list(problem))
        case _:
            raise OptionError(f"cannot plan {problem!r}", "give sizes such as [13, 16, 1], a Chain or a Graph")
