"""A plan: which products to form, in which order, what that costs, and what else it might have cost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, final

from jacchain.planning.cost import Cost
from jacchain.planning.duration import predicted_text
from jacchain.planning.graph import Chain
from jacchain.planning.node import Adjoint, Local, Multiply, Node, Tangent
from jacchain.planning.schedule import Schedule
from jacchain.planning.slicing import Slicing


class Baseline(NamedTuple):
    """What a textbook order costs on the same chain; `flops` is None where the chain does not allow it.

    The seconds are predicted, where a profile was at hand.
    """

    flops: int | None
    seconds: float | None = None


@final
@dataclass(frozen=True, slots=True)
class Baselines(Mapping[str, Baseline]):
    """The baselines of a plan by name, in a fixed order."""

    pairs: tuple[tuple[str, Baseline], ...]

    def __getitem__(self, name: str) -> Baseline:
        for known, baseline in self.pairs:
            if known == name:
                return baseline
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """An order for a chain, with its cost in multiplications and its peak storage in bytes.

    Nodes stand in the order in which they are formed; the last one is the Jacobian. `flops` counts fused
    multiply-adds exactly. `peak` is the bytes held at the fullest moment: states, local Jacobians, partial products,
    result, and the tapes of adjoints.

    Attributes
    ----------
    chain : Chain
        What was planned.
    planner : str
    nodes : tuple of Node
        Of one slice, where the Jacobian is made in slices.
    flops, peak : int
        Multiplications, over all slices; bytes.
    baselines : Baselines
        What textbook orders cost.
    reason : str
        Why this order, in one sentence.
    itemsize : int
        Bytes of a number.
    tape_limit, memory : int, optional
        The limits that the plan keeps to: numbers of one tape, bytes of all that is held.
    lower_bound : int
        Multiplications that no order can go below; where workers were asked for, no schedule's makespan.
    slicing : Slicing, optional
        The columns or rows in which the Jacobian is made where it does not fit at once.
    once : int
        How many of the nodes, the first ones, are made once for all slices.
    schedule : Schedule, optional
        Which worker does what, where workers were asked for.
    cost : {"multiplications", "seconds"}
        What the order is the cheapest in.
    seconds : float, optional
        Predicted time of all steps, one after the other and over all slices, where a profile was at hand; the values
        of the layers are not counted.
    profile : str, optional
        Name of that profile.
    step_seconds : tuple of float
        Predicted time of each of the nodes; empty where nothing was predicted.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> found = plan([50, 30, 10, 2, 10, 30, 50])
    >>> found.flops, found.baselines["forward"].flops
    (12200, 107000)
    >>> Plan.from_json(found.to_json()) == found
    True
    """

    chain: Chain
    planner: str
    nodes: tuple[Node, ...]
    flops: int
    peak: int
    baselines: "Baselines"
    reason: str
    itemsize: int = 8
    tape_limit: int | None = None
    memory: int | None = None
    lower_bound: int = 0
    slicing: Slicing | None = None
    once: int = 0
    schedule: Schedule | None = None
    cost: Cost = "multiplications"
    seconds: float | None = None
    profile: str | None = None
    step_seconds: tuple[float, ...] = ()

    @property
    def chunk_size(self) -> int | None:
        """Columns of the input, or rows of the output, made at a time; None where the Jacobian is made at once."""
        return None if self.slicing is None else self.slicing.size

    @property
    def makespan(self) -> int:
        """Multiplications after which the last worker is done; with one worker, all of them."""
        return self.flops if self.schedule is None else self.schedule.makespan

    @property
    def bracketing(self) -> str:
        """The order as a bracketing of J1 … Jn; T3 and A3 stand for link 3 applied as tangents or adjoints."""
        return bracketing(self.nodes)

    def to_json(self) -> str:
        """Return the plan as one JSON document of schema ``jacchain.plan/v1``."""
        from jacchain.planning.plan_document import plan_to_json

        return plan_to_json(self)

    @staticmethod
    def from_json(text: str | bytes, /) -> "Plan":
        """Return the plan of a JSON document.

        Raises
        ------
        FileError
            Not JSON, another schema, or wrong at a stated place.
        """
        from jacchain.planning.plan_document import plan_from_json

        return plan_from_json(text)

    def __str__(self) -> str:
        return "\n".join(
            (
                f"{self.planner}: {self.bracketing}",
                f"{self.flops:,} multiplications, {predicted_text(self.seconds)}peak {self.peak:,} bytes",
                f"because {self.reason}",
            )
        )


def bracketing(nodes: tuple[Node, ...], /) -> str:
    """Return the order of a plan's nodes as a bracketing, without recursion."""
    tokens: list[str] = []
    waiting: list[int | str] = [len(nodes) - 1]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, str):
            tokens.append(entry)
            continue
        node = nodes[entry]
        match node:
            case Local():
                tokens.append(f"J{node.link + 1}")
            case Multiply():
                waiting += [")", node.right, " ", node.left, "("]
            case Tangent():
                waiting += [")", node.right, f"(T{node.link + 1} "]
            case Adjoint():
                waiting += [f" A{node.link + 1})", node.left, "("]
    return "".join(tokens)


def names(nodes: tuple[Node, ...], /) -> list[str]:
    """Return a name for every node: J3 for a local Jacobian, P3:1 for the product of links 3 to 1."""
    spans: list[tuple[int, int]] = []
    for node in nodes:
        match node:
            case Local():
                spans.append((node.link, node.link))
            case Multiply():
                spans.append((spans[node.left][0], spans[node.right][1]))
            case Tangent():
                spans.append((node.link, spans[node.right][1]))
            case Adjoint():
                spans.append((spans[node.left][0], node.link))
    return [f"J{a + 1}" if a == b else f"P{a + 1}:{b + 1}" for a, b in spans]
