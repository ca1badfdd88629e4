"""Hessian of the wine network with respect to all weights, against structured NumPy by hand and jax."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import jax_peers
from benchmarks.contender import Array, Contender
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.hessians import hessian
from jacchain.workloads.wine_hessian import WineNetwork, wine_network

PLAIN, BUFFERED = "NumPy, 19 lines", "NumPy, out= buffers"
FLAT, PAIR = "jacchain hess(w)", "jacchain hess(W1, w2)"


def row(hidden: int = 16, *, peers: bool) -> Row:
    """Return the row for so many hidden units."""
    network = wine_network(hidden)
    w = network.point
    parts = tuple(np.ascontiguousarray(part) for part in network.parts(w))
    contenders = [
        Contender(PLAIN, "plain", partial(plain(network), w)),
        Contender(FLAT, "jacchain", partial(hessian(network.loss), w)),
        Contender(BUFFERED, "out=", partial(buffered(network), w)),
        Contender(PAIR, "other", partial(hessian(network.loss_of, argnums=(0, 1)), *parts), answer=joined),
    ]
    targets = [Target(FLAT, (BUFFERED,), 1.2)]
    if peers:
        contenders += jax_peers.hessian(network.features, network.targets, w, hidden)
        targets.append(Target(FLAT, ("jax.jit(hessian)",), 6, is_speedup=True))
    title = f"wine Hessian in all {w.size} weights, float64"
    return Row("wine-hessian", title, contenders, targets, tolerance=1e-11)


def joined(blocks: Any) -> Array:
    """Return the Hessian of two arguments as one matrix."""
    (aa, ab), (ba, bb) = blocks
    size, hidden = aa.shape[0] * aa.shape[1], bb.shape[0]
    return np.block([[aa.reshape(size, size), ab.reshape(size, hidden)], [ba.reshape(hidden, size), bb]])


def plain(network: WineNetwork) -> Callable[[Array], Array]:
    """Return the Gauss-Newton part and the curvature of tanh as one writes them by hand.

    With A = tanh(X W1), the slope of a wine's output is g = [x ⊗ d, a] for d = (1 - a²) w2, and the Hessian is
    2/m Σ g gᵀ + Σ r ∂²g, of which the second part is block by block: units do not mix.
    """
    x, t, h = network.features, network.targets, network.hidden
    m, n = x.shape
    size = n * h

    def run(w: Array) -> Array:
        w1, w2 = w[:size].reshape(n, h), w[size:]
        a = np.tanh(x @ w1)
        r = (a @ w2 - t) * (2 / m)
        s = 1 - a * a
        d = s * w2
        g = np.empty((m, size + h))
        g[:, :size] = (x[:, :, None] * d[:, None, :]).reshape(m, size)
        g[:, size:] = a
        found: Array = (2 / m) * (g.T @ g)
        c = -2 * r[:, None] * a * d
        mixed = x.T @ (r[:, None] * s)
        for k in range(h):
            found[k:size:h, k:size:h] += (x * c[:, k : k + 1]).T @ x
            found[k:size:h, size + k] += mixed[:, k]
            found[size + k, k:size:h] += mixed[:, k]
        return found

    return run


def buffered(network: WineNetwork) -> Callable[[Array], Array]:
    """Return the same as fast as it gets: every buffer allocated once, and wines along the last axis.

    Rows of g are then products along contiguous wines; the products of features are made once, as the features are
    constant, so that all blocks of curvature are one product; NumPy computes half of G Gᵀ (its syrk), and the small
    scalings go where they are of few numbers.
    """
    x, t, h = network.features, network.targets, network.hidden
    m, n = x.shape
    size = n * h
    xt = np.ascontiguousarray(x.T)
    pairs = np.ascontiguousarray((xt[:, None, :] * xt[None, :, :]).reshape(n * n, m))
    a, s, d = (np.empty((h, m)) for _ in range(3))
    r, g, found = np.empty(m), np.empty((size + h, m)), np.empty((size + h, size + h))
    slopes, outer, gt, st, spread = g[:size].reshape(n, h, m), g[size:], g.T, s.T, xt[:, None, :]
    curved, mixed = np.empty((n * n, h)), np.empty((n, h))
    blocks = np.einsum("ikjk->ijk", found[:size, :size].reshape(n, h, n, h))  # views of the diagonals
    edge = np.einsum("ikk->ik", found[:size, size:].reshape(n, h, h))
    corner, across = found[size:, :size], found[:size, size:].T
    scale, root, cube = 2 / m, np.sqrt(2 / m), curved.reshape(n, n, h)

    def run(w: Array) -> Array:
        w1t, w2 = w[:size].reshape(n, h).T, w[size:]
        np.tanh(np.dot(w1t, xt, a), a)
        np.dot(w2, a, r)
        np.subtract(r, t, r)
        np.multiply(r, scale, r)
        np.multiply(a, root, outer)
        np.multiply(a, a, s)
        np.subtract(1, s, s)
        np.multiply(s, (w2 * root)[:, None], d)
        np.multiply(spread, d, slopes)
        np.multiply(s, r, s)
        np.dot(xt, st, mixed)
        np.multiply(s, a, s)
        np.multiply(s, (-2 * w2)[:, None], s)
        np.dot(pairs, st, curved)
        np.dot(g, gt, found)
        np.add(blocks, cube, blocks)
        np.add(edge, mixed, edge)
        corner[...] = across
        return found

    return run
