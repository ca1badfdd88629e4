"""A plan for the Hessian of a chain: which products to form, in which order, and what that costs."""

from dataclasses import dataclass
from typing import final

from jacchain.planning.graph import Chain
from jacchain.planning.node import Local, Multiply
from jacchain.planning.plan import Baselines
from jacchain.planning.second.chains.node import ChainNode, Elemental, Lift, Pull, Sum, Zero


@final
@dataclass(frozen=True, slots=True)
class ChainHessianPlan:
    """An order for the second derivative of a chain, d_n × d_0 × d_0, with its multiplications and its peak in bytes.

    With F = F_n∘…∘F_1, local Jacobians J_k and second derivatives F″_k, both given, the second derivative is
    Σ over k of J(n,k) F″_k [J(k-1,0), J(k-1,0)], where J(j,i) = J_j…J_{i+1}.

    Attributes
    ----------
    chain : Chain
        What was planned; seeds are its first and last link.
    planner : str
    nodes : tuple of ChainNode
        In the order in which they are formed; the last one is the tensor.
    flops, peak : int
        Multiplications; bytes held at the fullest moment, mirrored halves written out: of what is made, and of those
        given derivatives that are being read. A given one counts from its step to the last one that reads it, so that
        it is not in the peak where it is held before or after.
    baselines : Baselines
        What the textbook modes cost, and edge pushing. The four modes make both halves, as their theory does.
    reason : str
        Why this order, in one sentence.
    symmetric : bool
        Whether one half is computed, and mirrored, of tensors whose arms end at one vertex.
    itemsize : int
        Bytes of a number.
    lower_bound : int
        Multiplications that no order goes below which sums neighbouring terms; 0 where that is not known.

    Examples
    --------
    >>> from jacchain.planning.planner import plan
    >>> found = plan([13, 16, 1], order=2)
    >>> found.bracketing, found.flops, found.baselines["forward_over_reverse"].flops
    ('J2 H1 + H2[J1, J1]', 6240, 8736)
    >>> ChainHessianPlan.from_json(found.to_json()) == found
    True
    """

    chain: Chain
    planner: str
    nodes: tuple[ChainNode, ...]
    flops: int
    peak: int
    baselines: Baselines
    reason: str
    symmetric: bool = True
    itemsize: int = 8
    lower_bound: int = 0

    @property
    def bracketing(self) -> str:
        """The order as a sum of products: H2 is the second derivative of link 2, H2[J1, ·] has J1 on its first arm."""
        return hessian_bracketing(self.nodes)

    def to_json(self) -> str:
        """Return the plan as one JSON document of schema ``jacchain.hessian-plan/v1``."""
        from jacchain.planning.second.chains.document import hessian_plan_to_json

        return hessian_plan_to_json(self)

    @staticmethod
    def from_json(text: str | bytes, /) -> "ChainHessianPlan":
        """Return the plan of a JSON document.

        Raises
        ------
        FileError
            Not JSON, another schema, or wrong at a stated place.
        """
        from jacchain.planning.second.chains.document import hessian_plan_from_json

        return hessian_plan_from_json(text)

    def __str__(self) -> str:
        return "\n".join(
            (
                f"{self.planner}: {self.bracketing}",
                f"{self.flops:,} multiplications, peak {self.peak:,} bytes",
                f"because {self.reason}",
            )
        )


def hessian_bracketing(nodes: tuple[ChainNode, ...], /, *, is_short: bool = False) -> str:
    """Return the order of nodes as a sum of products, those of Jacobians by their names alone if it is to be short."""
    called, texts = hessian_names(nodes), list[str]()
    for k, node in enumerate(nodes):
        match node:
            case Local():
                text = called[k]
            case Multiply(left, right):
                text = called[k] if is_short else f"({texts[left]} {texts[right]})"
            case Elemental(link):
                text = f"H{link + 1}"
            case Zero():
                text = "0"
            case Lift(left, right):
                text = f"{texts[left]} {_enclosed(nodes, texts, right)}"
            case Pull(left, right, arm):
                inner = nodes[left]
                if isinstance(inner, Pull) and inner.arm != arm:  # both arms between one pair of brackets
                    ends = [texts[inner.right], texts[right]]
                    text = f"{_enclosed(nodes, texts, inner.left)}[{', '.join(ends if arm else ends[::-1])}]"
                else:
                    ends = ["·", texts[right]] if arm else [texts[right], "·"]
                    text = f"{_enclosed(nodes, texts, left)}[{', '.join(ends)}]"
            case Sum(left, right):
                text = f"{texts[left]} + {texts[right]}"
        texts.append(text)
    return texts[-1]


def _enclosed(nodes: tuple[ChainNode, ...], texts: list[str], k: int) -> str:
    return f"({texts[k]})" if isinstance(nodes[k], Sum | Lift) else texts[k]


def hessian_names(nodes: tuple[ChainNode, ...], /) -> list[str]:
    """Return a name for every node: J3, P3:1 for a product of Jacobians, H2 for a given tensor, T1 … for those made."""
    spans: dict[int, tuple[int, int]] = {}
    found: list[str] = []
    made = 0
    for k, node in enumerate(nodes):
        match node:
            case Local(link):
                spans[k] = link + 1, link + 1
                found.append(f"J{link + 1}")
            case Multiply(left, right):
                spans[k] = spans[left][0], spans[right][1]
                found.append(f"P{spans[k][0]}:{spans[k][1]}")
            case Elemental(link):
                found.append(f"H{link + 1}")
            case _:
                made += 1
                found.append(f"T{made}")
    return found
