"""A plan for a Hessian: which products of first derivatives and curvatures to form, and what that costs."""

from dataclasses import dataclass
from typing import final

from jacchain.planning.elimination.graph_plan import SHOWN
from jacchain.planning.graph import Vertex
from jacchain.planning.node import SecondNode
from jacchain.planning.plan import Baselines
from jacchain.planning.second.ladder import Ladder


@final
@dataclass(frozen=True, slots=True)
class HessianPlan:
    """An order in which to form the blocks of a Hessian, with its cost in multiplications and its peak in bytes.

    Nodes stand in the order in which they are formed. A `Local` of link k is that of ``ladder.graph.edges[k]``, one of
    link -1 an identity: the output's adjoint, or an input with respect to itself. A `Curvature` names one of
    ``ladder.curves`` and the node of the row r that weights it.

    Attributes
    ----------
    ladder : Ladder
        What was planned.
    planner : str
    nodes : tuple of SecondNode
    roots : tuple of int or None
        For each of ``ladder.pairs`` the node of its block, of d_a × d_b; None where it is zero. A block with respect to
        one input twice is symmetric.
    gradient : tuple of int or None
        For each input the node of its row of first derivatives, if that was asked for.
    flops, peak : int
        Multiplications; bytes of local Jacobians, curvatures, products and results at the fullest moment.
    baselines : Baselines
        What the textbook modes and edge pushing cost; None where a mode cannot be had by products of matrices.
    reason : str
        Why this order, in one sentence.
    itemsize : int
        Bytes of a number.
    order : tuple of vertex
        The interior vertices in the order in which they were eliminated; empty for the four modes.
    seconds : float
        What a search was given.
    seed : int
    unit_free : bool
        Products by an identity or a negation were not counted.

    Examples
    --------
    >>> from jacchain.algebra.structure import Diagonal
    >>> from jacchain.planning.graph import Edge, Graph
    >>> from jacchain.planning.second.ladder import Curve
    >>> from jacchain.planning.second.planner import plan_second
    >>> graph = Graph({"x": 3, "s": 4, "y": 1}, [Edge("x", "s"), Edge("s", "y")], [("y", "x")])
    >>> print(plan_second(Ladder(graph, [Curve(1, 1, Diagonal(4))]), planner="edge_pushing"))
    edge_pushing: s
    48 multiplications, peak 296 bytes
    because edge pushing, as asked for; 'optimal' may be cheaper
    """

    ladder: Ladder
    planner: str
    nodes: tuple[SecondNode, ...]
    roots: tuple[int | None, ...]
    gradient: tuple[int | None, ...]
    flops: int
    peak: int
    baselines: Baselines
    reason: str
    itemsize: int = 8
    order: tuple[Vertex, ...] = ()
    seconds: float = 1.0
    seed: int = 0
    unit_free: bool = True

    def to_json(self) -> str:
        """Return the plan as one JSON document of schema ``jacchain.ladder-plan/v1``."""
        from jacchain.planning.second.hessian_document import hessian_plan_to_json

        return hessian_plan_to_json(self)

    def __str__(self) -> str:
        names = [str(vertex) for vertex in self.order]
        if len(names) > SHOWN:
            names = [*names[: SHOWN - 1], f"… {names[-1]} ({len(names):,} vertices)"]
        return "\n".join(
            (
                f"{self.planner}: {' '.join(names) or 'no order of vertices'}",
                f"{self.flops:,} multiplications, peak {self.peak:,} bytes",
                f"because {self.reason}",
            )
        )
