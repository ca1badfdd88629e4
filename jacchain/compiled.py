"""From a composition and options to something that can be called: planned, lowered and bound."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import InfeasibleError, JacchainError, OptionError, SizeError
from jacchain.execution.backend import Backend, Device, backend_at, chosen_backend
from jacchain.execution.on_device import OnDevice, executable
from jacchain.execution.program import ALIGNMENT, Program
from jacchain.execution.run import Executable, kept_within
from jacchain.execution.sliced import Sliced
from jacchain.execution.source import Shape
from jacchain.execution.tuned import Pricing, priced_on, tuned
from jacchain.model.layer import Layer
from jacchain.planning.fit import smallest
from jacchain.planning.graph import Chain
from jacchain.planning.limits import under_tape_limit
from jacchain.planning.link import Link
from jacchain.planning.node import Adjoint, Local
from jacchain.planning.plan import Plan
from jacchain.planning.planner import plan
from jacchain.planning.planners import PLANNERS
from jacchain.planning.slicing import is_seeded
from jacchain.prepared import Prepared, prepared

STEP = 1.1
"""Ratio of the budgets that are tried under a memory limit."""


class Options(NamedTuple):
    """What a user may ask of a derivative; see `jacchain.plan`."""

    planner: str = "optimal"
    tape_limit: int | None = None
    memory: int | None = None
    workers: int | None = None
    chunk_size: int | None = None
    plan: Plan | None = None
    device: Device | Literal["auto"] = "auto"
    pricing: Pricing = Pricing()


class Key(NamedTuple):
    """All that a compiled derivative depends on, besides the layers."""

    shape: Shape
    dtype: "np.dtype[Any]"
    options: Options
    tangents: int | None
    adjoints: int | None
    is_gradient: bool
    home: Device
    """Where points lie."""


class Compiled(NamedTuple):
    """A plan and its program, and the shape of the function's value."""

    plan: Plan
    run: Executable | OnDevice | Sliced
    outputs: Shape


def compiled(layers: tuple[Layer, ...], point: Array, key: Key, /) -> Compiled:
    """Plan, lower and bind."""
    backend = chosen_backend(backend_at(key.home), key.options.device, key.dtype)
    found = _compiled_on(backend, layers, point, key)
    other = _elsewhere(found) if key.options.device == "auto" else None
    if other is None:
        return found
    try:
        return _compiled_on(other, layers, point, key, found.run if isinstance(found.run, Executable) else None)
    except JacchainError:  # what cannot be done there is done here
        return found


def _compiled_on(
    backend: Backend, layers: tuple[Layer, ...], point: Array, key: Key, otherwise: Executable | None = None
) -> Compiled:
    """Plan, lower and bind on a device; `otherwise` is what runs on the host where that refuses later."""
    pricing = priced_on(backend, key.options.pricing, key.options.device)
    key = key._replace(options=key.options._replace(pricing=pricing))
    backend = tuned(backend, pricing.profile)
    with backend.active():
        return _compiled(prepared(layers, point, backend), point, key, backend, otherwise)


def _elsewhere(found: Compiled) -> Backend | None:
    """Return the device that should rather run what was compiled for the host, or None."""
    from jacchain.execution.launches import calls_of, kernel_launches, quicker_device

    run = found.run
    return quicker_device(run.program, lambda: kernel_launches(calls_of(run))) if isinstance(run, Executable) else None


def _compiled(ready: Prepared, point: Array, key: Key, backend: Backend, otherwise: Executable | None) -> Compiled:
    facts = ready.facts
    expect_one(key, ready)
    found, program = _Work(ready, key).chosen()
    outputs = facts[-1].outputs if key.adjoints is None else (key.adjoints,)
    inputs = point.shape if key.tangents is None else (key.tangents,)
    shape = point.shape if key.is_gradient else outputs + inputs
    structure = program.registers[program.result].structure
    part = shape if program.slices is None else (structure.rows, structure.columns)
    kept = kept_within(key.options.memory, program.peak, program.result_bytes)
    run = executable(
        program,
        ready.sources,
        facts,
        ready.dtype,
        part,
        prologue=ready.refresh,
        backend=backend,
        kept=kept,
        again=lambda: ready.again(backend),
        otherwise=otherwise,
    )
    if program.slices is None:
        return Compiled(found, run, facts[-1].outputs)
    matrix = (found.chain.sizes[-1], found.chain.sizes[0])
    return Compiled(found, Sliced(run, shape, matrix, found.memory), facts[-1].outputs)


def expect_one(key: Key, ready: Prepared, /) -> None:
    """Refuse the gradient of a function that does not give one number."""
    outputs = ready.facts[-1].link.outputs
    if key.is_gradient and outputs != 1:
        raise SizeError(
            f"a gradient needs one output, but {ready.layers[-1].name} gives {outputs}",
            "end in a loss or a Sum, or use jacobian",
        )


def planned(ready: Prepared, key: Key, /) -> Plan:
    """Return the plan of layers by the options of a key, under no limit of memory."""
    return _Work(ready, key).planned(None)


class _Work(NamedTuple):
    """The choice of an order for known layers."""

    ready: Prepared
    key: Key

    def chosen(self) -> tuple[Plan, Program]:
        """Return the plan and its program; the plan's peak is that of the program."""
        options = self.key.options
        if options.plan is not None:
            found = self._given(options.plan)
            program = self._lowered(found)
            aligned = ALIGNMENT * len(program.storages)  # what a plan, made from sizes, cannot know of
            if found.memory is not None and program.peak > found.memory + aligned:
                raise InfeasibleError(
                    f"the plan's program holds {program.peak:,} bytes, but its limit is {found.memory:,}",
                    "give jacobian the memory= instead of the plan: it then plans for the function's own layers",
                )
            return replace(found, peak=program.peak), program
        found = self.planned(None)
        program = self._lowered(found)
        if options.memory is not None and program.peak > options.memory:
            return self._within(options.memory)
        return replace(found, peak=program.peak, memory=options.memory), program

    def _within(self, memory: int) -> tuple[Plan, Program]:
        """Return the cheapest plan whose program fits.

        Plans are made from sizes and take every state for held throughout; a program frees them, works in place, and
        needs workspace of its own. So budgets are tried from twice the limit downwards, at places that do not depend
        on the limit, and the first program that fits is taken.
        """
        needed = []
        for found, budget in self._candidates(memory):
            program = self._lowered(found)
            if program.peak <= memory:  # the reason names the limit that was asked for
                fits = f"because that fits into {memory:,} bytes"
                reason = found.reason.replace(f" {budget:,} bytes", f" {memory:,} bytes").replace("as asked for", fits)
                return replace(found, peak=program.peak, memory=memory, reason=reason), program
            needed.append(program.peak)
        raise InfeasibleError(
            f"no order fits into {memory:,} bytes, not even in slices",
            f"the smallest limit known to do is {min(needed):,} bytes",
            min(needed),
        )

    def _candidates(self, memory: int) -> Iterator[tuple[Plan, int]]:
        """Yield plans with the budgets they were made for, from generous ones down; then ever smaller slices."""
        states = self.ready.dtype.itemsize * sum(fact.link.inputs for fact in self.ready.facts)
        budget, least = STEP ** int(np.log(2 * (memory + states)) / np.log(STEP)), self._smallest()
        while budget >= least:
            yield self.planned(int(budget)), int(budget)
            budget /= STEP
        yield self.planned(least), least
        if (
            self.key.options.chunk_size is None
        ):  # a result that is not dense counts as little in a plan, but is written out in a program
            sizes = self.ready.facts[0].link.inputs, self.ready.facts[-1].link.outputs
            counts = range(1, (max(sizes) - 1).bit_length() + 1)
            for size in dict.fromkeys(-(-length >> k) or 1 for k in counts for length in sizes):
                yield self.planned(None, size), 0

    def _smallest(self) -> int:
        """Return the smallest budget, in bytes, that has a plan."""
        options = self.key.options
        chain = under_tape_limit(self.ready.chain, options.tape_limit)
        found = smallest(chain, options.planner, PLANNERS[options.planner], chunk_size=options.chunk_size)
        return max(1, (found or 0) * self.ready.dtype.itemsize)

    def planned(self, budget: int | None, chunk_size: int | None = None) -> Plan:
        """Return the plan under a limit of bytes."""
        key, options = self.key, self.key.options
        return plan(
            self.ready.chain,
            planner=options.planner,
            tape_limit=options.tape_limit,
            memory=budget,
            workers=options.workers,
            chunk_size=options.chunk_size if chunk_size is None else chunk_size,
            tangents=key.tangents,
            adjoints=key.adjoints,
            itemsize=self.ready.dtype.itemsize,
            cost=options.pricing.cost,
            profile=options.pricing.profile,
        )

    def _given(self, given: Plan) -> Plan:
        """Return a given plan, if it was made for links like these."""
        mine, theirs = self.ready.chain, given.chain
        if mine.sizes != theirs.sizes:
            raise OptionError(
                f"the plan is for sizes {theirs}, but the function has sizes {mine}", "make a plan for this function"
            )
        for k, (here, there) in enumerate(zip(mine.links, theirs.links, strict=True), 1):
            if here.local != there.local or _costs(here) != _costs(there):
                name = self.ready.layers[k - 1].name
                raise OptionError(
                    f"link {k} of the plan is {_described(there)}, but {name} is {_described(here)}",
                    "make a plan for this function",
                )
        _expect_tapes(given, mine)
        return replace(given, chain=mine, itemsize=self.ready.dtype.itemsize)

    def _lowered(self, found: Plan) -> Program:
        return self.ready.lowered(found, tangents=self.key.tangents is not None)


def _expect_tapes(given: Plan, chain: Chain) -> None:
    """Refuse a plan with an adjoint that its tape limit forbids for the links of a function."""
    limited = under_tape_limit(chain, given.tape_limit).links
    shift = int(given.slicing is not None and given.slicing.axis == "columns" and is_seeded(chain, "columns"))
    for node in given.nodes:
        match node:
            case Adjoint(_, link) | Local(link, "adjoint") if limited[link - shift].adjoint_cost is None:
                number, tape = link - shift + 1, chain.links[link - shift].tape
                raise OptionError(
                    f"the plan's tape limit of {given.tape_limit:,} forbids the adjoint of link {number} with {tape:,}",
                    "make a plan for this function",
                )


def _costs(link: Link) -> tuple[bool, int | None, int | None]:
    return link.is_explicit, link.tangent_cost, link.adjoint_cost


def _described(link: Link) -> str:
    modes = ["explicit"] if link.is_explicit else []
    modes += [f"tangents of {link.tangent_cost:,}"] if link.tangent_cost is not None else []
    modes += [f"adjoints of {link.adjoint_cost:,}"] if link.adjoint_cost is not None else []
    return f"{link.local} with {' and '.join(modes)}"
