"""Placing: steps become the instructions of a program, with a stretch of memory for every register."""

from collections.abc import Collection, Mapping
from typing import final

from jacchain.algebra.structure import stored
from jacchain.execution.listing import Listing, Step
from jacchain.execution.program import ALIGNMENT, Instruction, Program, Register, Slices, Storage
from jacchain.planning.memory import Extent, pack


def placed(
    listing: Listing,
    /,
    *,
    itemsize: int,
    extra: int,
    layers: tuple[str, ...],
    tapes: Mapping[int, int],
    slices: Slices | None = None,
    lanes: tuple[tuple[int, ...], ...] = (),
    is_repeated: bool = False,
) -> Program:
    """Return the program with every register in its storage.

    `tapes` has the numbers that adjoints of sources keep; `is_repeated` tells that the program is run for one point
    after the other, as one with `slices` is for one slice after the other: what comes before `listing.each` stays.
    """
    steps, structures = listing.steps, listing.structures
    last_use, finals, once = _last_uses(listing, is_sliced=slices is not None or is_repeated)
    dies = [tuple(k for k in dict.fromkeys((s.result, *s.operands)) if last_use[k] == p) for p, s in enumerate(steps)]
    if listing.views:
        dies = _dying(listing, last_use)
    places = _Places(listing, itemsize, is_shared=bool(lanes))
    for place in range(len(steps)):
        places.give(place, last_use, finals)
    storages, workspace = places.packed(listing.results or tuple(finals))
    instructions = tuple(
        Instruction(s.op, s.result, s.operands, s.source, s.mode, s.flops, places.scratch[p], dies[p])
        for p, s in enumerate(steps)
    )
    registers = tuple(Register(structure, places.of.get(k, -1)) for k, structure in enumerate(structures))
    kept = sorted(tapes[s.source] for s in steps if "adjoint" in (s.op, s.mode.partition(":")[0]))
    return Program(
        instructions,
        registers,
        storages,
        workspace,
        extra,
        itemsize,
        layers,
        slices,
        lanes,
        listing.results,
        sum(kept[-max(1, len(lanes)) :]) * itemsize,  # so many adjoints may run at once
        once,
    )


def _last_uses(listing: Listing, *, is_sliced: bool) -> tuple[dict[int, int], set[int], int]:
    """Return the last step that needs each register, the results, and how many steps are run once for all slices.

    Results are held to the end, and so is what every slice reads again and what is written anew for each. A view and
    what it is a view of are held as long as either is needed.
    """
    steps = listing.steps
    last_use = {k: place for place, step in enumerate(steps) for k in (step.result, *step.operands)}
    finals = set(listing.results) or {steps[-1].result}
    once = sum(step.result < listing.each for step in steps) if is_sliced else 0
    kept = {step.result for step in steps if step.op in ("point", "seed")}
    kept |= {k for k, place in last_use.items() if k < listing.each and place >= once}
    last_use |= dict.fromkeys(finals | (kept if once else set()), len(steps))
    for view, whole in listing.views.items():
        if view in last_use:
            last_use[whole] = max(last_use[whole], last_use[view])
    return last_use | {view: last_use[listing.views[view]] for view in listing.views if view in last_use}, finals, once


def _dying(listing: Listing, last_use: Mapping[int, int]) -> list[tuple[int, ...]]:
    """Return the registers that are not needed after each step; views die together with what they are views of."""
    dies: list[list[int]] = [[] for _ in listing.steps]
    for step in listing.steps:
        if last_use[step.result] < len(dies):
            dies[last_use[step.result]].append(step.result)
    return [tuple(found) for found in dies]


@final
class _Places:
    """Storages being given: one is taken over from an operand that dies where allowed, else a new one made."""

    def __init__(self, listing: Listing, itemsize: int, *, is_shared: bool) -> None:
        self.listing, self.itemsize, self.is_shared = listing, itemsize, is_shared
        self.inputs = {step.result for step in listing.steps if step.op in ("point", "seed")}
        self.of: dict[int, int] = {}
        self.sizes: list[int] = []
        self.spans: list[tuple[int, int]] = []
        self.scratch: list[int] = []

    def give(self, place: int, last_use: Mapping[int, int], finals: Collection[int]) -> None:
        """Give the result of a step its storage, and the step its workspace."""
        step, structures = self.listing.steps[place], self.listing.structures
        numbers = 0 if step.result in self.listing.borrowed else stored(structures[step.result])
        fitting = [k for k in self._dying(step, place, last_use, finals) if stored(structures[k]) == numbers]
        if step.result in self.listing.borrowed:
            self.of[step.result] = -1
        elif step.result in self.listing.views:
            self.of[step.result] = self.of[self.listing.views[step.result]]
        elif fitting:
            k = self.of[step.result] = self.of[fitting[0]]
            self.spans[k] = (self.spans[k][0], last_use[step.result])
        else:
            self.of[step.result] = self._new(numbers, place, last_use[step.result])
        self.scratch.append(self._new(step.scratch, place, place) if step.scratch else -1)

    def _dying(self, step: Step, place: int, last_use: Mapping[int, int], finals: Collection[int]) -> list[int]:
        """Return the operands that a step may write over: they die there, and it reads no view of theirs besides."""
        views, borrowed = self.listing.views, self.listing.borrowed
        free = [k for k in step.in_place if last_use[k] == place and not self.is_shared]
        free = [k for k in free if k not in self.inputs and k not in finals and k not in borrowed]
        if not views:
            return free
        read = [views.get(k, k) for k in dict.fromkeys(step.operands)]
        spoken = {views.get(k, k) for k in (*self.inputs, *finals)}
        return [k for k in free if k not in views and k not in spoken and read.count(k) == 1]

    def _new(self, numbers: int, first: int, last: int) -> int:
        self.sizes.append(-(-numbers * self.itemsize // ALIGNMENT) * ALIGNMENT)
        # with several workers the order of steps is not known for certain
        self.spans.append((0, len(self.listing.steps) - 1) if self.is_shared else (first, last))
        return len(self.sizes) - 1

    def packed(self, results: tuple[int, ...]) -> tuple[tuple[Storage, ...], int]:
        """Return all storages and the bytes of workspace; those of results lie one after the other outside of it."""
        outside: dict[int, int] = {}
        for k in (self.of[register] for register in results):
            if k >= 0 and k not in outside:
                outside[k] = -1 - sum(self.sizes[i] for i in outside)
        extents = [Extent(0 if k in outside else size, *self.spans[k]) for k, size in enumerate(self.sizes)]
        offsets, workspace = pack(extents)
        storages = [Storage(size, outside.get(k, offsets[k]), *self.spans[k]) for k, size in enumerate(self.sizes)]
        return tuple(storages), workspace
