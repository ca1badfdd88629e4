"""One elementary map as the planner sees it: sizes, structure and costs. No arrays."""

from dataclasses import dataclass, field
from operator import index
from typing import Literal, final

from jacchain.algebra.structure import STRUCTURES, Dense, Diagonal, Identity, Negation, Structure
from jacchain.errors import OptionError, SizeError, unknown_name

NAMED_STRUCTURES = ("dense", "diagonal", "identity", "negation")


def as_size(value: object, what: str, /) -> int:
    """Return a positive integer size, or raise a SizeError that names it.

    Examples
    --------
    >>> as_size(0, "d_0")
    Traceback (most recent call last):
    jacchain.errors.SizeError: d_0 is 0, not a positive integer
    give whole numbers of at least 1
    """
    try:
        size = index(value)  # type: ignore[arg-type]  # anything without __index__ is refused below
    except TypeError:
        size = 0
    if size < 1 or isinstance(value, bool):
        raise SizeError(f"{what} is {value!r}, not a positive integer", "give whole numbers of at least 1")
    return size


def _cost(value: object, what: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        cost = index(value)  # type: ignore[arg-type]  # anything without __index__ is refused below
    except TypeError:
        cost = -1
    if cost < 0 or isinstance(value, bool):
        raise OptionError(f"{what} is {value!r}, not a count of multiplications", "give a whole number of at least 0")
    return cost


@final
@dataclass(frozen=True, slots=True)
class Link:
    """One elementary map as the planner sees it: sizes, structure and costs.

    A link with a structure, or with no costs at all, has an explicit local Jacobian of `outputs` × `inputs` numbers,
    dense unless stated, and free unless `accumulate_cost` is given. A link with `tangent_cost` or `adjoint_cost` and
    no structure is matrix-free: its local Jacobian can be accumulated column by column for `inputs` · `tangent_cost`
    or row by row for `outputs` · `adjoint_cost`, or be applied without being formed.

    Parameters
    ----------
    inputs, outputs : int
        Sizes of the two vertices.
    structure : Structure or str, optional
        The structure of the local Jacobian, or one of the names ``"identity"``, ``"negation"``,
        ``"diagonal"``, ``"dense"``.
    accumulate_cost, tangent_cost, adjoint_cost : int, optional
        Multiplications to form the local Jacobian, to apply it to one tangent, and to apply it to one adjoint.
    tape : int
        Numbers that an adjoint must remember while it runs.
    borrowed : bool
        The local Jacobian exists already and does not depend on the point: it takes no memory of its own.
    linear : bool
        The map has no second derivative, as an identity or a negation has none; only plans of second order ask.
    name : str, optional
        How reports call the link.

    Raises
    ------
    SizeError, OptionError
        Sizes that are not positive or do not fit the structure; negative costs; unknown names.

    Examples
    --------
    >>> Link(3, 3, structure="diagonal").local
    Diagonal(size=3)
    >>> Link(3, 2).local
    Dense(rows=2, columns=3)
    """

    inputs: int
    outputs: int
    structure: Structure | str | None = field(default=None, kw_only=True)
    accumulate_cost: int | None = field(default=None, kw_only=True)
    tangent_cost: int | None = field(default=None, kw_only=True)
    adjoint_cost: int | None = field(default=None, kw_only=True)
    tape: int = field(default=0, kw_only=True)
    borrowed: bool = field(default=False, kw_only=True)
    name: str | None = field(default=None, kw_only=True)
    linear: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "inputs", as_size(self.inputs, "inputs"))
        put(self, "outputs", as_size(self.outputs, "outputs"))
        for cost in ("accumulate_cost", "tangent_cost", "adjoint_cost", "tape"):
            if getattr(self, cost) is not None:
                put(self, cost, _cost(getattr(self, cost), cost))
        if self.tape is None:  # a file may say null
            put(self, "tape", 0)
        if self.name is not None and not isinstance(self.name, str):
            raise OptionError(f"name {self.name!r} is no text", "give a string")
        if not isinstance(self.linear, bool):
            raise OptionError(f"linear is {self.linear!r}", "give True or False")
        if self.borrowed and (not self.is_explicit or self.accumulate_cost):
            cure = "what exists already is explicit and has no accumulate_cost"
            raise OptionError("the link is borrowed, but its local Jacobian has to be formed", cure)
        if not isinstance(self.structure, (str, type(None), *STRUCTURES)):
            raise OptionError(
                f"structure {self.structure!r} is no structure", f"give one of {', '.join(NAMED_STRUCTURES)}"
            )
        if isinstance(self.structure, str):
            put(self, "structure", _named(self.structure, self.inputs, self.outputs))
        found = self.structure
        if (
            found is not None
            and not isinstance(found, str)
            and (found.rows, found.columns) != (self.outputs, self.inputs)
        ):
            raise SizeError(
                f"a {found} local Jacobian has {found.rows} outputs and {found.columns} inputs, "
                f"but the link has {self.outputs} outputs and {self.inputs} inputs",
                "give a structure of outputs x inputs",
            )

    @property
    def is_explicit(self) -> bool:
        """Whether the local Jacobian is given as a matrix."""
        costs = self.tangent_cost, self.adjoint_cost
        return self.structure is not None or self.accumulate_cost is not None or costs == (None, None)

    @property
    def is_full(self) -> bool:
        """Whether the local Jacobian is dense once accumulated."""
        return self.structure is None or isinstance(self.structure, Dense)

    @property
    def is_linear(self) -> bool:
        """Whether the second derivative is zero: stated, or known of an identity or a negation."""
        return self.linear or isinstance(self.structure, Identity | Negation)

    @property
    def local(self) -> Structure:
        """The structure of the local Jacobian once accumulated."""
        if self.structure is None or isinstance(self.structure, str):
            return Dense(self.outputs, self.inputs)
        return self.structure


def accumulation_cost(link: Link, mode: Literal["given", "tangent", "adjoint"], /) -> int | None:
    """Return what a link's local Jacobian costs in one mode; None where the link does not offer it.

    Examples
    --------
    >>> accumulation_cost(Link(3, 2, tangent_cost=5), "tangent"), accumulation_cost(Link(3, 2), "adjoint")
    (15, None)
    """
    match mode:
        case "given":
            return (link.accumulate_cost or 0) if link.is_explicit else None
        case "tangent":
            return None if link.tangent_cost is None else link.inputs * link.tangent_cost
        case "adjoint":
            return None if link.adjoint_cost is None else link.outputs * link.adjoint_cost


def _named(name: str, inputs: int, outputs: int) -> Structure:
    if name in ("kronecker", "block-diagonal", "sparse"):
        cure = f'give a jacchain.algebra.structure object, or in a file {{"type": "{name}", ...}}'
        raise OptionError(f"structure {name!r} needs sizes of its own", cure)
    if name not in NAMED_STRUCTURES:
        unknown_name("structure", name, [*NAMED_STRUCTURES, "kronecker", "block-diagonal", "sparse"])
    if name == "dense":
        return Dense(outputs, inputs)
    if inputs != outputs:
        raise SizeError(
            f"a link of structure {name} has {inputs} inputs and {outputs} outputs",
            f"a {name} local Jacobian is square",
        )
    if name == "diagonal":
        return Diagonal(inputs)
    return Identity(inputs) if name == "identity" else Negation(inputs)
