"""Why an order of second order won, in one sentence."""

from collections.abc import Mapping

from jacchain.planning.names import IN_WORDS
from jacchain.planning.second.outcome import SecondOutcome


def hessian_reason(planner: str, found: SecondOutcome, costs: Mapping[str, int | None], /) -> str:
    """Return one sentence that says how far below the best textbook mode a plan is.

    Examples
    --------
    >>> hessian_reason("optimal", SecondOutcome((0,), 60), {"edge_pushing": 80, "forward_over_reverse": 100})
    '25 % fewer multiplications than edge pushing, the best textbook mode'
    """
    if all(root is None for root in found.roots):
        return "nothing bends: the Hessian is zero"
    if planner in IN_WORDS:
        return f"{IN_WORDS[planner]}, as asked for; 'optimal' may be cheaper"
    sure = "; no order of vertices is cheaper" if found.is_least else ""
    known = {name: flops for name, flops in costs.items() if flops is not None}
    if not known:
        return "it was asked for, and was compared with no other"
    least = min(known.values())
    best = next(IN_WORDS[name] for name, flops in known.items() if flops == least)
    if found.flops > least:
        return f"it was asked for; {best} takes {100 * (found.flops - least) / found.flops:.3g} % fewer multiplications"
    if found.flops == least:
        return f"{best} is as cheap as any found{sure}"
    saving = f"{100 * (least - found.flops) / least:.3g} %"
    how = f", {found.how}" if found.how else ""
    return f"{saving} fewer multiplications than {best}, the best textbook mode{how}{sure}"
