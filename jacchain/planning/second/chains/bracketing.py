"""The field's Hessian chain bracketing for long chains: a dynamic program over rows of integers."""

from typing import Final

from jacchain.planning.second.chains.draft import HessianDraft
from jacchain.planning.second.chains.elementals import Elementals

MOST: Final = 400
"""Links up to which all n³/6 brackets are looked at, some of them twice: about two seconds."""

Splits = dict[tuple[int, int], int]
"""The vertex at which the interval (upper, lower) is split."""


def bracketing(draft: HessianDraft, /) -> int:
    """Split every interval where that costs least: H(j,i) = J(j,k) H(k,i) + H(j,k)[J(k,i), J(k,i)].

    The splits are those of least cost if products of Jacobians are paid for every time they are read. The draft makes
    each product once, so that the order costs no more than that. Links that are not dense are taken for dense ones in
    choosing the splits.
    """
    n = len(draft.given)
    of_jacobians, of_tensors = _splits(draft.given)
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
    return draft.zero() if whole is None else whole


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


def _splits(given: Elementals) -> tuple[Splits, Splits]:
    """Return the cheapest split of every interval, for its Jacobian and for its tensor.

    For the lower end i, from above, a column holds the costs of J(k,i), or of H(k,i), for k from i + 1 on; for every
    upper end j a row holds those of J(j,k), or of H(j,k), for k from j - 1 down.
    """
    sizes, n = given.sizes, len(given)
    rows: list[list[int]] = [[] for _ in range(n + 1)]
    tensor_rows: list[list[int]] = [[] for _ in range(n + 1)]
    splits: Splits = {}
    tensor_splits: Splits = {}
    for i in reversed(range(n)):
        size = sizes[i]
        half = size * (size + 1) // 2 if given.symmetric else size * size
        lifts = [d * half for d in sizes[i + 1 :]]
        pulls = [d * half + size * d * d for d in sizes[i + 1 :]]
        column: list[int] = []
        tensor_column: list[int] = []
        first = given.first_bent(i, n) - i - 1
        for j in range(i + 1, n + 1):
            if j - i == 1:
                cost = tensor_cost = 0
            else:
                wide, row, tensor_row = sizes[j], rows[j][::-1], tensor_rows[j][::-1]
                outer = wide * size
                costs = [a + b + outer * d for a, b, d in zip(row, column, sizes[i + 1 : j], strict=True)]
                cost = min(costs)
                splits[j, i] = i + 1 + costs.index(cost)
                below = [a + b + wide * c for a, b, c in zip(row, tensor_column, lifts, strict=False)]
                above = [a + b + wide * c for a, b, c in zip(tensor_row, column, pulls, strict=False)]
                below[: max(first, 0)] = [0] * min(max(first, 0), len(below))  # nothing bends below
                last = max(given.last_bent(i, j) - i - 1, 0)
                above[last:] = [0] * len(above[last:])  # nor above
                costs = [a + b for a, b in zip(below, above, strict=True)]
                tensor_cost = min(costs)
                tensor_splits[j, i] = i + 1 + costs.index(tensor_cost)
            column.append(cost)
            tensor_column.append(tensor_cost)
            rows[j].append(cost)
            tensor_rows[j].append(tensor_cost)
    return splits, tensor_splits
