"""The field's Hessian chain bracketing for long chains: a dynamic program over rows of integers."""

from operator import add
from typing import Final

from jacchain.planning.second.chains.draft import HessianDraft
from jacchain.planning.second.chains.elementals import Elementals
from jacchain.planning.second.chains.outcome import ChainOutcome

MOST: Final = 300
"""Links up to which all n³/6 brackets of Jacobians and of tensors are looked at, which takes a second or two."""

WORK: Final = 27_000_000
"""Links to the third power, over all rounds, before no more begin."""

ROUNDS: Final = 4
"""How often at most what is free is set anew."""

SHARES: Final = (100, 50, 25, 10)
"""What part of the cost of a product, in per cent, a read of it by a tensor is charged with."""

Splits = dict[tuple[int, int], int]
"""The vertex at which the interval (upper, lower) is split."""


def bracketing(given: Elementals, /) -> ChainOutcome:
    """Return the cheapest of several rounds of brackets: H(j,i) = J(j,k) H(k,i) + H(j,k)[J(k,i), J(k,i)].

    In the first round a product of Jacobians is charged in full every time that it is read, so that no bracketing
    without sharing is cheaper; the others begin with less. What a round makes is free in the next. Links that are not
    dense are taken for dense ones in choosing the splits.
    """
    n, work, found = len(given), 0, list[ChainOutcome]()
    for share in SHARES:
        free: Splits = {}
        for _ in range(ROUNDS):
            if found and work + n**3 > WORK:
                break
            work += n**3
            draft = HessianDraft(given)
            root, made = _written(draft, _splits(given, free, share))
            found.append(ChainOutcome(draft.kept(root)))
            if made == free:
                break
            free = made
    return min(found, key=lambda outcome: outcome.flops)


def _written(draft: HessianDraft, splits: tuple[Splits, Splits]) -> tuple[int, Splits]:
    """Write the brackets into a draft, and return the whole tensor, and the products of Jacobians made for it."""
    n, (of_jacobians, of_tensors) = len(draft.given), splits
    jacobians: dict[tuple[int, int], int] = {}
    tensors: dict[tuple[int, int], int | None] = {}
    for j, i, is_tensor in _needed(n, of_jacobians, of_tensors):
        if j - i == 1 and is_tensor:
            tensors[j, i] = None if draft.given.chain.links[i].is_linear else draft.elemental(j)
        elif j - i == 1:
            jacobians[j, i] = draft.jacobian(j)
        elif is_tensor:
            k = of_tensors[j, i]
            lower, upper, outer, inner = tensors[k, i], tensors[j, k], jacobians[j, k], jacobians[k, i]
            lifted = None if lower is None else draft.lift(outer, lower)
            pulled = None if upper is None else draft.pull(draft.pull(upper, inner, 0), inner, 1)
            tensors[j, i] = draft.summed(lifted, pulled)
        else:
            k = of_jacobians[j, i]
            jacobians[j, i] = draft.multiply(jacobians[j, k], jacobians[k, i])
    whole = tensors[n, 0]
    made = {span: of_jacobians[span] for span in jacobians if span in of_jacobians}
    return draft.zero() if whole is None else whole, made


def _needed(n: int, of_jacobians: Splits, of_tensors: Splits) -> list[tuple[int, int, bool]]:
    """Return the intervals whose Jacobians or tensors are read, shorter ones first."""
    found, waiting = set[tuple[int, int, bool]](), [(n, 0, True)]
    while waiting:
        j, i, is_tensor = waiting.pop()
        if (j, i, is_tensor) in found:
            continue
        found.add((j, i, is_tensor))
        if j - i > 1:
            k = (of_tensors if is_tensor else of_jacobians)[j, i]
            waiting += [(j, k, False), (k, i, False)]
            waiting += [(j, k, True), (k, i, True)] if is_tensor else []
    return sorted(found, key=lambda interval: (interval[0] - interval[1], interval))


def _splits(given: Elementals, free: Splits, share: int) -> tuple[Splits, Splits]:
    """Return the cheapest split of every interval, for its Jacobian and for its tensor.

    Products that are free have their splits already.

    For the lower end i, from above, a column holds the costs of J(k,i), or of H(k,i), for k from i + 1 on; for every
    upper end j a row holds those of J(j,k), or of H(j,k), for k from j - 1 down.
    """
    sizes, n = given.sizes, len(given)
    rows: list[list[int]] = [[] for _ in range(n + 1)]
    paid_rows: list[list[int]] = [[] for _ in range(n + 1)]
    tensor_rows: list[list[int]] = [[] for _ in range(n + 1)]
    splits: Splits = {}
    tensor_splits: Splits = {}
    for i in reversed(range(n)):
        size = sizes[i]
        half = size * (size + 1) // 2 if given.symmetric else size * size
        pulls = [d * (half + size * d) for d in sizes[i + 1 :]]
        column, paid_column, tensor_column = [0], [0], [0]
        for row in (rows[i + 1], paid_rows[i + 1], tensor_rows[i + 1]):
            row.append(0)
        bent = given.next_bent(i) - i - 1
        for j in range(i + 2, n + 1):
            middles, row, tensor_row = sizes[i + 1 : j], rows[j][::-1], tensor_rows[j][::-1]
            if (j, i) in free:
                cost, splits[j, i] = 0, free[j, i]
            else:
                both = sizes[j] * size
                costs = [a + b + both * d for a, b, d in zip(row, column, middles, strict=True)]
                cost = min(costs)
                splits[j, i] = i + 1 + costs.index(cost)
            row, both = paid_rows[j][::-1], sizes[j] * half
            below = [a + b + both * d for a, b, d in zip(row, tensor_column, middles, strict=True)]
            wide, until = sizes[j], max(given.last_bent(i, j) - i - 1, 0)
            above = [a + b + wide * d for a, b, d in zip(tensor_row, paid_column, pulls[: j - i - 1], strict=True)]
            below[:bent] = [0] * len(below[:bent])  # where nothing below bends
            above[until:] = [0] * len(above[until:])
            costs = list(map(add, below, above))
            tensor_cost = min(costs)
            tensor_splits[j, i] = i + 1 + costs.index(tensor_cost)
            column.append(cost)
            paid_column.append(cost * share // 100)
            tensor_column.append(tensor_cost)
            rows[j].append(cost)
            paid_rows[j].append(paid_column[-1])
            tensor_rows[j].append(tensor_cost)
    return splits, tensor_splits
