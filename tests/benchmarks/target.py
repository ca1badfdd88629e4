"""What the project promised, and whether it was met."""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.race import Ratio, Times, ratio


class Target(NamedTuple):
    """A bound on a ratio of two times, or on a time itself."""

    judged: str
    """The contender that is to be fast."""
    against: tuple[str, ...]
    """Those it is compared with, of which the fastest counts; none where the bound is in seconds."""
    bound: float
    is_speedup: bool = False
    """The bound is the least number of times that the judged contender must be faster."""


class Verdict(NamedTuple):
    """A target with what was measured."""

    target: Target
    against: str
    found: Ratio
    minima: float
    """The same from the fastest rounds, which other work on the machine disturbs least."""
    met: bool

    @property
    def wanted(self) -> str:
        """The bound as text."""
        if not self.target.against:
            return f"<= {self.target.bound:g} s"
        return f"{'>=' if self.target.is_speedup else '<='} {self.target.bound:.3g} x"


def judge(target: Target, times: Sequence[Times], /) -> Verdict | None:
    """Return the verdict on a target; None where nothing that it is compared with was timed."""
    by_name = {found.contender.name: found for found in times}
    judged = by_name[target.judged]
    if not target.against:
        seconds = Ratio(judged.median, judged.minimum, max(judged.known))
        return Verdict(target, "", seconds, judged.minimum, judged.median <= target.bound)
    present = [by_name[name] for name in target.against if name in by_name]
    if not present:
        return None
    rival = min(present, key=lambda found: found.median)
    above, below = (rival, judged) if target.is_speedup else (judged, rival)
    found = ratio(above, below)
    met = found.median >= target.bound if target.is_speedup else found.median <= target.bound
    return Verdict(target, rival.contender.name, found, above.minimum / below.minimum, met)
