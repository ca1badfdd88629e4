"""A bound on what several products cost together: every step is charged in shares to the products that may use it."""

from collections.abc import Mapping, Sequence
from typing import Final, final

from jacchain.planning.several.intervals import Interval, Intervals, State, Way
from jacchain.planning.several.sharing import lies_within, within

SCALE: Final = 1 << 20
"""Shares of a step are whole parts of this, rounded down, so that the bound is exact."""

EFFORT: Final = 600_000
"""Ways that all rounds together may look at: about half a second."""

ROUNDS: Final = 60
"""Rounds after which the shares seldom get better."""


def charged(intervals: Intervals, wanted: Sequence[Interval], known: int, /) -> int:
    """Return multiplications that no plan of all wanted products goes below; `known` is what one plan costs.

    Whatever the shares, as long as those of a step add up to at most the whole, the cheapest orders of all products
    under their shares cost no more than any plan. The shares are moved towards the products that really use a step
    (a Lagrangian decomposition, improved by subgradients with the step length of Polyak).
    """
    charges = Charges(intervals, wanted)
    work = sum(len(intervals.ways(part)) for interval in wanted for part in within(interval))
    best = 0
    for _ in range(min(ROUNDS, 1 + EFFORT // max(work, 1))):
        found = charges.round()
        best = max(best, found)
        if best >= known * SCALE or not charges.move(known * SCALE - found):
            break
    return min(known, -(-best // SCALE))


@final
class Charges:
    """The shares of every interval's last step, by product. A product pays its own last step alone."""

    def __init__(self, intervals: Intervals, wanted: Sequence[Interval], /) -> None:
        self.intervals = intervals
        self.wanted = tuple(dict.fromkeys(wanted))
        self.shares: dict[Interval, dict[Interval, int]] = {}  # by step, then by product
        for part in within((0, len(intervals.chain) - 1)):
            users = [interval for interval in self.wanted if lies_within(part, interval)]
            self.shares[part] = {user: SCALE // len(users) for user in users}
            if part in self.wanted:
                self.shares[part] = {user: SCALE * (user == part) for user in users}
        self.used: dict[Interval, dict[Interval, int]] = {}  # the multiplications of steps, by product

    def round(self) -> int:
        """Return what all products cost under the shares, in parts of a multiplication."""
        self.used = {}
        return sum(self._cheapest(interval) for interval in self.wanted)

    def move(self, gap: int, /) -> bool:
        """Shift shares of steps to the products that use them; False where that changes nothing."""
        slopes: dict[tuple[Interval, Interval], float] = {}
        for part, costs in self.used.items():
            users = self.shares[part]
            if part not in self.wanted and len(costs) < len(users):
                mean = sum(costs.values()) / len(users)
                slopes |= {(part, user): float(costs.get(user, 0) - mean) for user in users}
        length = sum(slope * slope for slope in slopes.values())
        if not length:
            return False
        touched = {part for part, _ in slopes}
        for part in touched:
            users = self.shares[part]
            moved = {u: max(0.0, share + gap * slopes[part, u] / length) for u, share in users.items()}
            total = sum(moved.values())
            self.shares[part] = {user: int(SCALE * (share / total) * (1 - 1e-12)) for user, share in moved.items()}
        return True

    def _cheapest(self, product: Interval) -> int:
        """Return the cheapest order of a product under its shares, and note the steps that it uses."""
        table: dict[State, tuple[int, Way]] = {}
        for part in within(product):
            share = self.shares[part][product]
            for number, way in self.intervals.ways(part):
                flops = way.flops * share + sum(table[state][0] for state in way.step.operands)
                if (*part, number) not in table or flops < table[*part, number][0]:
                    table[*part, number] = flops, way
        root = min((state for state in table if state[:2] == product), key=lambda state: table[state][0])
        self._note(product, root, table)
        return table[root][0]

    def _note(self, product: Interval, root: State, table: Mapping[State, tuple[int, Way]]) -> None:
        waiting = [root]
        while waiting:
            state = waiting.pop()
            way = table[state][1]
            self.used.setdefault(state[:2], {})[product] = way.flops
            waiting += way.step.operands
