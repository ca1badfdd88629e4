"""The textbook orders of second order on a chain: modes over modes, edge pushing, and brackets at the waist.

With V_k = J(k,0), R_k = J(n,k), and F″_k of link k, the tensor is Σ over k of R_k F″_k [V_{k-1}, V_{k-1}]. Of dense
links, the four modes take these multiplications, besides which nothing is counted that the tensor does not need:

========================  ==============================  =========================================================
quantity                  multiplications                 made by
========================  ==============================  =========================================================
V_k, 1 < k < n            d_k d_{k-1} d_0                 all four
R_{k-1} = R_k J_k         d_n d_k d_{k-1}, 1 < k < n      all but forward over forward
R_k F″_k, k < n           d_n d_k d_{k-1} d_{k-1}         the modes over reverse
(R_k F″_k) V_{k-1}        d_n d_{k-1} d_{k-1} d_0, 1 < k  the modes over reverse
F″_k V_{k-1}              d_k d_{k-1} d_{k-1} d_0, 1 < k  the modes over forward
R_k (F″_k V_{k-1})        d_n d_k d_{k-1} d_0, k < n      reverse over forward
W_{k-1} = W_k J_k + …     d_n d_0 d_k d_{k-1}, k < n      all but forward over forward
J_k H_{k-1}               d_k d_{k-1} d_0 d_0, 1 < k      forward over forward
(F″_k V_{k-1}) V_{k-1}    d_k d_{k-1} d_0 d_0, 1 < k      forward over forward
========================  ==============================  =========================================================

The modes know nothing of symmetry. Reverse over reverse makes the transposes of what forward over reverse makes, in
as many multiplications; the two differ in what they tape.
"""

from collections.abc import Callable

from jacchain.planning.second.chains.draft import HessianDraft


def forward_over_forward(draft: HessianDraft, /) -> int:
    """Dual numbers whose components are dual: V_k = J_k V_{k-1}, H_k = J_k H_{k-1} + F″_k [V_{k-1}, V_{k-1}]."""
    tangents = _tangents(draft)
    found: int | None = None
    for k in range(1, len(draft.given) + 1):
        bent = _bent(draft, k)
        for arm in (1, 0):
            bent = _pulled(draft, bent, tangents[k - 1], arm)
        lifted = None if found is None else draft.lift(draft.jacobian(k), found)
        found = draft.summed(lifted, bent)
    return _or_zero(draft, found)


def forward_over_reverse(draft: HessianDraft, /) -> int:
    """Tangents of the reverse sweep: W_{k-1} = W_k J_k + (R_k F″_k) V_{k-1}, from W_n = 0 to W_0."""
    return _swept(draft, 0, lambda k, tangent, rows: _pulled(draft, _lifted(draft, rows, _bent(draft, k)), tangent, 0))


def reverse_over_forward(draft: HessianDraft, /) -> int:
    """Adjoints of the tangents' program, whose local derivatives are F″_k V_{k-1}: W_{k-1} = W_k J_k + R_k (F″_k V)."""
    return _swept(draft, 0, lambda k, tangent, rows: _lifted(draft, rows, _pulled(draft, _bent(draft, k), tangent, 0)))


def reverse_over_reverse(draft: HessianDraft, /) -> int:
    """Adjoints of the reverse sweep, whose local derivatives are R_k F″_k; its tape is a tape of a tape."""
    return _swept(draft, 1, lambda k, tangent, rows: _pulled(draft, _lifted(draft, rows, _bent(draft, k)), tangent, 1))


def edge_pushing(draft: HessianDraft, /) -> int:
    """Reverse, both arms at once: H(n; k-1) = H(n; k)[J_k, J_k] + R_k F″_k.

    The elimination of Gower and Mello (*A new framework for the computation of Hessians*, 2012) on a path; where
    symmetry is used, the second product makes one half.
    """
    rows = _rows(draft)
    found: int | None = None
    for k in range(len(draft.given), 0, -1):
        if found is not None:
            found = draft.pull(draft.pull(found, draft.jacobian(k), 0), draft.jacobian(k), 1)
        found = draft.summed(_lifted(draft, rows[k], _bent(draft, k)), found)
    return _or_zero(draft, found)


def waist(draft: HessianDraft, /) -> int:
    """Split every interval at its narrowest vertex k: H(j,i) = J(j,k) H(k,i) + H(j,k)[J(k,i), J(k,i)]."""
    n = len(draft.given)
    tensors: dict[tuple[int, int], int | None] = {}
    jacobians: dict[tuple[int, int], int] = {}
    for j, i, is_tensor in _intervals(draft):
        if j - i == 1 and is_tensor:
            tensors[j, i] = _bent(draft, j)
        elif j - i == 1:
            jacobians[j, i] = draft.jacobian(j)
        else:
            k = _narrowest(draft, j, i)
            if not is_tensor:
                jacobians[j, i] = draft.multiply(jacobians[j, k], jacobians[k, i])
                continue
            lower, upper, inner = tensors[k, i], tensors[j, k], jacobians[k, i]
            lifted = None if lower is None else draft.lift(jacobians[j, k], lower)
            pulled = None if upper is None else draft.pull(draft.pull(upper, inner, 0), inner, 1)
            tensors[j, i] = draft.summed(lifted, pulled)
    return _or_zero(draft, tensors[n, 0])


def _intervals(draft: HessianDraft) -> list[tuple[int, int, bool]]:
    """Return the intervals that are split at their waists, smaller ones first, each for its tensor or its Jacobian."""
    found, waiting = set[tuple[int, int, bool]](), [(len(draft.given), 0, True)]
    while waiting:
        j, i, is_tensor = waiting.pop()
        if (j, i, is_tensor) not in found:
            found.add((j, i, is_tensor))
            if j - i > 1:
                k = _narrowest(draft, j, i)
                waiting += [(j, k, False), (k, i, False)]
                waiting += [(j, k, True), (k, i, True)] if is_tensor else []
    return sorted(found, key=lambda interval: (interval[0] - interval[1], interval))


def _narrowest(draft: HessianDraft, j: int, i: int) -> int:
    sizes = draft.given.sizes
    return min(range(i + 1, j), key=lambda k: (sizes[k], k))


def _swept(draft: HessianDraft, arm: int, term: Callable[[int, int | None, int | None], int | None], /) -> int:
    """Return W_0 of the sweep back over one arm, the other arm being at the input."""
    tangents, rows = _tangents(draft), _rows(draft)
    found: int | None = None
    for k in range(len(draft.given), 0, -1):
        if found is not None:
            found = draft.pull(found, draft.jacobian(k), 1 - arm)
        found = draft.summed(term(k, tangents[k - 1], rows[k]), found)
    return _or_zero(draft, found)


def _tangents(draft: HessianDraft) -> list[int | None]:
    """Return V_0 … V_{n-1}; V_0 is the identity, and None."""
    found: list[int | None] = [None]
    for k in range(1, len(draft.given)):
        last, local = found[-1], draft.jacobian(k)
        found.append(local if last is None else draft.multiply(local, last))
    return found


def _rows(draft: HessianDraft) -> list[int | None]:
    """Return R_0 … R_n; R_n is the identity, and None, and R_0 is not needed."""
    n = len(draft.given)
    found: list[int | None] = [None] * (n + 1)
    for k in range(n, 1, -1):
        last, local = found[k], draft.jacobian(k)
        found[k - 1] = local if last is None else draft.multiply(last, local)
    return found


def _bent(draft: HessianDraft, link: int) -> int | None:
    """Return F″ of a link; None if that is linear."""
    return None if draft.given.chain.links[link - 1].is_linear else draft.elemental(link)


def _pulled(draft: HessianDraft, tensor: int | None, jacobian: int | None, arm: int) -> int | None:
    return tensor if tensor is None or jacobian is None else draft.pull(tensor, jacobian, arm)


def _lifted(draft: HessianDraft, jacobian: int | None, tensor: int | None) -> int | None:
    return tensor if tensor is None or jacobian is None else draft.lift(jacobian, tensor)


def _or_zero(draft: HessianDraft, tensor: int | None) -> int:
    return draft.zero() if tensor is None else tensor
