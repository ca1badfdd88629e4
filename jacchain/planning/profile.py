"""What a plan holds at every step, and how many of its steps wait for one another."""

from collections.abc import Sequence

from jacchain.planning.fit import overhead
from jacchain.planning.graph import Chain
from jacchain.planning.limits import under_tape_limit
from jacchain.planning.memory import held, taped
from jacchain.planning.node import Local, Node, operands
from jacchain.planning.plan import Plan
from jacchain.planning.slicing import sliced


def made(plan: Plan, /) -> Chain:
    """Return the chain that the steps of a plan belong to: under its tape limit, and of one slice where it is sliced.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> print(made(plan([6, 4, 2], chunk_size=3)))
    3 → 4 → 2
    """
    chain = under_tape_limit(plan.chain, plan.tape_limit)
    return chain if plan.slicing is None else sliced(chain, plan.slicing)


def profile(plan: Plan, /) -> tuple[int, ...]:
    """Return the bytes that are held during every step of a plan, in the order of its steps.

    States, and what slices are cut from, are held throughout; a result from its step until the step that reads it;
    a tape during its step. The result, and room for what is made once for all slices, are held throughout. The
    largest of them is the plan's peak. Where workers share the steps, nothing is freed before the end, and everything
    is held throughout.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> found = plan([13, 16, 1])
    >>> profile(found), found.peak
    ((464, 2128, 2128), 2128)
    """
    if plan.schedule is not None and plan.schedule.workers > 1:
        return (plan.peak,) * len(plan.nodes)
    whole = made(plan)
    sizes = [held(whole, node) for node in plan.nodes]
    live = overhead(under_tape_limit(plan.chain, plan.tape_limit), plan.slicing)
    kept = {k for node in plan.nodes[plan.once :] for k in operands(node) if k < plan.once}
    reserved = sum(sizes[k] for k in kept)
    made_now = sorted(kept)  # what is kept is made one after the other, each with all that it is made of
    live += sizes[-1]  # the result is an array of its own
    sizes[-1] = 0
    found = []
    for k, node in enumerate(plan.nodes):
        live += sizes[k]
        others = reserved - (sizes[made_now[0]] if made_now else 0)
        found.append((live + others + taped(whole, node)) * plan.itemsize)
        live -= sum(sizes[operand] for operand in operands(node) if operand not in kept)
        if k in kept:
            live -= sizes[k]
            del made_now[0]
    return tuple(found)


def depth(nodes: Sequence[Node], /) -> int:
    """Return the number of steps on the longest path to the result; local Jacobians that cost nothing are no steps.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> depth(plan([9, 2, 9, 9, 9]).nodes), depth(plan([9, 9, 9, 9, 9], planner="forward").nodes)
    (3, 3)
    """
    found: list[int] = []
    for node in nodes:
        below = max((found[operand] for operand in operands(node)), default=0)
        found.append(below + (0 if isinstance(node, Local) and not node.flops else 1))
    return found[-1]
