"""The products of all runs of consecutive links, each in every structure that it can have."""

from collections.abc import Iterator
from typing import NamedTuple, final

from jacchain.algebra.structure import Dense, Structure
from jacchain.errors import InfeasibleError
from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain
from jacchain.planning.optimal import LONGEST, is_exact
from jacchain.planning.states import FULL
from jacchain.planning.table import Table


class Run(NamedTuple):
    """The product of the links first … last in one structure, and its cheapest cost."""

    first: int
    last: int
    number: int
    structure: Structure
    flops: int


@final
class Runs:
    """The runs whose products cost at most `bound`; what costs more is in no plan that is as cheap as one known.

    Raises
    ------
    InfeasibleError
        The chain is too long for all of its runs to be looked at.
    """

    def __init__(self, chain: Chain, bound: int, /) -> None:
        if len(chain) > LONGEST or not is_exact(chain):
            raise InfeasibleError(
                f"the chain has {len(chain):,} links, too many to look at all of their products",
                "join links that belong together, or plan parts of the chain",
            )
        self.chain = chain
        self.table = Table(chain, bound)

    def products(self, first: int, last: int, /) -> Iterator[Run]:
        """Yield the products of a run of links, one for each structure."""
        for number, flops in self.table.states(first, last).items():
            found = self.table.structures[number]
            if number == FULL or found is None:
                found = Dense(self.chain.links[last].outputs, self.chain.links[first].inputs)
            yield Run(first, last, number, found, flops)

    def form(self, draft: Draft, run: Run, /) -> int:
        """Add the nodes of the cheapest order of a run to a draft, and return the last one."""
        return draft.grow((run.first, run.last, run.number), self.table.step)
