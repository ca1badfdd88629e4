"""One call or more of every supported function, as ordinary NumPy code of arrays X, Y, ... that shape it."""

import numpy as np
from scipy import special

from jacchain.model.numpy_functions import FUNCTIONS
from jacchain.model.scipy_functions import SCIPY_FUNCTIONS

RNG = np.random.default_rng(4)
X = RNG.uniform(0.2, 0.8, (2, 3))
Y = RNG.uniform(0.9, 1.7, (2, 3))
V = RNG.uniform(0.2, 0.8, 3)
W = RNG.uniform(1.1, 1.9, 4)
A = RNG.uniform(-1, 1, (3, 3)) + 3 * np.eye(3)
T = RNG.uniform(-1, 1, (2, 3, 4))
S = RNG.uniform(-1, 1, (2, 3, 3)) + 3 * np.eye(3)
N = 0.37
"""Generic points, away from kinks, in the domain of all but a few functions."""

NARROW = {np.arccosh: 1.0, special.erfcinv: 0.0, special.exp1: 0.5}
"""What is added to X for functions of another domain."""

REFUSED = {np.argmax, np.argmin, np.argsort, np.nonzero, np.sort}


def call(function, *points, **options):
    return lambda *xs: function(*xs, **options), points


def first(function, point, *rest, **options):
    """Return the example that differentiates with respect to the first argument only."""
    return lambda x: function(x, *rest, **options), (point,)


def together(function, *points, **options):
    """Return the example of a function of a list of arrays."""
    return lambda *xs: function(list(xs), **options), points


def ufunc_examples(function):
    if function.nin == 1:
        point = X + NARROW.get(function, 0.0)
        return [call(function, point), call(function, N + NARROW.get(function, 0.0))]
    return [call(function, Y, V), call(function, N, X), first(function, Y, 0.7), first(function, Y, V)]


EXAMPLES = {
    function: ufunc_examples(function)
    for function in FUNCTIONS
    if isinstance(function, np.ufunc) and function.nin <= 2 and function.signature is None
}
EXAMPLES[np.bitwise_and] = [(lambda x: (x > 0.4) & (x < 0.6), (X,))]
EXAMPLES[np.bitwise_or] = [(lambda x: (x < 0.4) | (x > 0.6), (X,))]
EXAMPLES[np.bitwise_xor] = [(lambda x: (x < 0.4) ^ (x > 0.3), (X,))]
EXAMPLES[np.invert] = [(lambda x: ~(x < 0.4), (X,))]
EXAMPLES[np.power] += [first(np.power, X, n) for n in (0, 1, 2, 3, -1, -2, 0.5, -0.5, 2.5)]
EXAMPLES[np.power] += [(lambda x: 2.0**x, (X,)), first(np.power, Y, np.array([1.0, 2.0, 3.0]))]
EXAMPLES |= {
    np.where: [(lambda x, y: np.where(x > 0.5, x, y), (X, V)), (lambda x: np.where([True, False, True], x, 1.0), (X,))],
    np.clip: [first(np.clip, X, 0.3, 0.6), first(np.clip, X, None, V), (lambda x: x.clip(min=0.5), (X,))],
    np.round: [call(np.round, X), call(np.round, X, decimals=1)],
    np.around: [call(np.around, X)],
    np.fix: [call(np.fix, X)],
    np.nan_to_num: [call(np.nan_to_num, X)],
    np.select: [(lambda x, y: np.select([x < 0.3, x > 0.6], [x, y], 2.0), (X, Y))],
    np.real: [call(np.real, X), (lambda x: x.real, (X,))],
    np.real_if_close: [call(np.real_if_close, X)],
    np.sinc: [call(np.sinc, X)],
    np.i0: [call(np.i0, X)],
    np.isclose: [first(np.isclose, X, 0.5, atol=0.1)],
    np.sum: [call(np.sum, T, axis=axis) for axis in (None, 0, 1, (0, 2), -1)]
    + [call(np.sum, T, axis=1, keepdims=True, initial=2.0), first(np.sum, X, where=[True, False, True])],
    np.mean: [call(np.mean, T), call(np.mean, T, axis=(0, 1), keepdims=True)],
    np.prod: [call(np.prod, X), call(np.prod, T, axis=1)],
    np.max: [call(np.max, T), call(np.max, T, axis=0), call(np.max, T, axis=-1, initial=0.1)],
    np.min: [call(np.min, T), call(np.min, T, axis=(0, 2), keepdims=True)],
    np.amax: [call(np.amax, T, axis=1)],
    np.amin: [call(np.amin, T, axis=1)],
    np.var: [call(np.var, T), call(np.var, T, axis=1, ddof=1)],
    np.std: [call(np.std, T), call(np.std, T, axis=0, keepdims=True)],
    np.average: [call(np.average, X), first(np.average, X, 1, V), (lambda x, w: np.average(x, 1, w), (X, V))],
    np.ptp: [call(np.ptp, X, axis=1)],
    np.nansum: [call(np.nansum, X)],
    np.cumsum: [call(np.cumsum, T), call(np.cumsum, T, axis=1), call(np.cumsum, V)],
    np.cumprod: [call(np.cumprod, X), call(np.cumprod, X, axis=0), call(np.cumprod, X, axis=1)],
    np.cumulative_sum: [call(np.cumulative_sum, V), call(np.cumulative_sum, X, axis=0)],
    np.cumulative_prod: [call(np.cumulative_prod, X, axis=1)],
    np.trapezoid: [call(np.trapezoid, X), call(np.trapezoid, X, axis=0), first(np.trapezoid, V, [0.0, 0.5, 2.0])],
    np.linalg.norm: [call(np.linalg.norm, T), call(np.linalg.norm, X, axis=1)]
    + [call(np.linalg.norm, V, ord=order) for order in (1, 2, 3, np.inf, -np.inf, 0)]
    + [call(np.linalg.norm, X, ord=order) for order in ("fro", 1, np.inf)]
    + [call(np.linalg.norm, T, axis=(0, 2), ord=1, keepdims=True), call(np.linalg.norm, T, axis=(2, 0), ord=np.inf)],
    np.any: [(lambda x: np.any(x > 0.5, axis=0), (X,))],
    np.all: [(lambda x: np.all(x > 0.1), (X,)), (lambda x: (x > 0.3).all(axis=1), (X,))],
    np.count_nonzero: [call(np.count_nonzero, X, axis=1)],
    np.reshape: [call(np.reshape, T, shape=(4, -1)), (lambda x: x.reshape(3, 2), (X,)), call(np.reshape, X, shape=-1)],
    np.ravel: [call(np.ravel, X), (lambda x: x.flatten(), (X,))],
    np.transpose: [call(np.transpose, T), call(np.transpose, T, axes=(1, 0, 2)), (lambda x: x.T @ x, (X,))],
    np.moveaxis: [first(np.moveaxis, T, 0, -1), first(np.moveaxis, T, (0, 1), (-1, 0))],
    np.rollaxis: [first(np.rollaxis, T, 2), first(np.rollaxis, T, 1, 3)],
    np.swapaxes: [first(np.swapaxes, T, 0, 2)],
    np.matrix_transpose: [call(np.matrix_transpose, T), (lambda x: x.mT, (T,))],
    np.linalg.matrix_transpose: [call(np.linalg.matrix_transpose, T)],
    np.expand_dims: [first(np.expand_dims, X, 1), first(np.expand_dims, X, (0, -1))],
    np.squeeze: [(lambda x: np.squeeze(x[:1, :, None]), (X,)), (lambda x: x[:, :1].squeeze(1), (X,))],
    np.broadcast_to: [first(np.broadcast_to, V, (4, 3)), first(np.broadcast_to, X, (2, 3))],
    np.broadcast_arrays: [(lambda x, v: np.broadcast_arrays(x, v)[1], (X, V))],
    np.atleast_1d: [call(np.atleast_1d, N), (lambda x, n: np.atleast_1d(x, n)[1], (X, N))],
    np.atleast_2d: [call(np.atleast_2d, V), call(np.atleast_2d, X)],
    np.atleast_3d: [call(np.atleast_3d, V), call(np.atleast_3d, X)],
    np.meshgrid: [
        (lambda v, w, option=option: np.meshgrid(v, w, **option), (V, W))
        for option in ({}, {"indexing": "ij"}, {"sparse": True})
    ],
    np.repeat: [first(np.repeat, X, 2), first(np.repeat, X, [1, 2], axis=0), (lambda x: x.repeat(2, 1), (X,))],
    np.tile: [first(np.tile, X, 2), first(np.tile, X, (2, 1))],
    np.flip: [call(np.flip, X), call(np.flip, X, axis=0)],
    np.flipud: [call(np.flipud, X)],
    np.fliplr: [call(np.fliplr, X)],
    np.rot90: [call(np.rot90, X), call(np.rot90, X, k=2)],
    np.roll: [first(np.roll, X, 2), first(np.roll, X, 1, axis=1)],
    np.resize: [first(np.resize, X, (3, 4))],
    np.take: [first(np.take, X, [0, 5, 0]), first(np.take, X, [2, 0], axis=1), (lambda x: x.take(1), (X,))],
    np.take_along_axis: [first(np.take_along_axis, X, np.array([[0], [2]]), axis=1)],
    np.compress: [(lambda x: np.compress([True, False, True], x, axis=1), (X,))],
    np.delete: [first(np.delete, X, 1, axis=1), first(np.delete, X, [0, 3])],
    np.diagonal: [call(np.diagonal, A), call(np.diagonal, T, offset=1, axis1=1, axis2=2)],
    np.linalg.diagonal: [call(np.linalg.diagonal, S)],
    np.diag: [call(np.diag, A), call(np.diag, V), call(np.diag, V, k=1), call(np.diag, A, k=-1)],
    np.diagflat: [call(np.diagflat, X)],
    np.trace: [call(np.trace, A), call(np.trace, T), (lambda a: a.trace(), (A,))],
    np.linalg.trace: [call(np.linalg.trace, S)],
    np.tril: [call(np.tril, A), call(np.tril, S, k=-1)],
    np.triu: [call(np.triu, A, k=1)],
    np.array_split: [first(np.array_split, W, 3), first(np.array_split, T, [1, 3], axis=2)],
    np.split: [first(np.split, W, 2), first(np.split, X, [1], axis=1)],
    np.vsplit: [first(np.vsplit, X, 2)],
    np.hsplit: [first(np.hsplit, X, 3), first(np.hsplit, W, 2)],
    np.dsplit: [first(np.dsplit, T, 2)],
    np.unstack: [call(np.unstack, X), call(np.unstack, T, axis=1)],
    np.copy: [call(np.copy, X), (lambda x: x.copy(), (X,))],
    np.shape: [(lambda x: x * np.shape(x)[1], (X,))],
    np.ndim: [(lambda x: x * np.ndim(x), (X,))],
    np.size: [(lambda x: x * np.size(x) + np.size(x, 1), (X,))],
    np.zeros_like: [(lambda x: x + np.zeros_like(x), (X,))],
    np.ones_like: [(lambda x: x * np.ones_like(x, shape=(4, 2, 3)), (X,))],
    np.full_like: [(lambda x: np.full_like(x, x[0, 0]), (X,)), (lambda x: x * np.full_like(x, 3.0), (X,))],
    np.empty_like: [(lambda x: x * len(np.empty_like(x)), (X,))],
    np.result_type: [(lambda x: x * (2 + (np.result_type(x).kind == "f")), (X,))],
    np.iscomplexobj: [(lambda x: x * (2 + np.iscomplexobj(x)), (X,))],
    np.isrealobj: [(lambda x: x * (2 + np.isrealobj(x)), (X,))],
    np.isreal: [(lambda x: x * np.isreal(x), (X,))],
    np.tril_indices_from: [(lambda a: a[np.tril_indices_from(a)], (A,))],
    np.triu_indices_from: [(lambda a: a[np.triu_indices_from(a, k=1)], (A,))],
    np.may_share_memory: [(lambda x: x * (2 + np.may_share_memory(x, x)), (X,))],
    np.shares_memory: [(lambda x: x * (2 + np.shares_memory(x, x)), (X,))],
    np.concatenate: [
        together(np.concatenate, X, Y),
        together(np.concatenate, X, T[0, :2], axis=1),
        together(np.concatenate, X, V, axis=None),
        (lambda v: np.concatenate([v, [1.0], []]), (V,)),
    ],
    np.stack: [together(np.stack, X, Y), together(np.stack, X, Y, axis=-1), (lambda n: np.stack([n, 2.0, n]), (N,))],
    np.vstack: [together(np.vstack, X, V)],
    np.hstack: [together(np.hstack, X, Y), together(np.hstack, V, N)],
    np.dstack: [together(np.dstack, X, Y)],
    np.column_stack: [together(np.column_stack, V, V + 1, A)],
    np.block: [(lambda a, v: np.block([[a, v[:, None]], [v, 1.0]]), (A, V)), together(np.block, V, W)],
    np.append: [call(np.append, X, V), first(np.append, X, [[1.0, 2.0, 3.0]], axis=0)],
    np.insert: [
        first(np.insert, V, 1, 5.0),
        (lambda x, v: np.insert(x, 1, v, axis=0), (X, V)),
        (lambda v, w: np.insert(v, [0, 2], w[:2]), (V, W)),
        (lambda x: np.insert(x, [2, 0], x[:, :2], axis=1), (X,)),
        (lambda x: np.insert(x, [-1, 0, 0], x[:, :1], axis=1), (X,)),
        (lambda x: np.insert(x, 1, x[:, 0], axis=1), (X,)),
        (lambda x: np.insert(x, [1], x, axis=1), (X,)),
        (lambda x: np.insert(x, slice(0, 2), x[0, 0], axis=1), (X,)),
        (lambda x, v: np.insert(x, 1, v), (X, V)),
        (lambda x: np.insert(x, [], []), (X,)),
    ],
    np.pad: [first(np.pad, X, 1), first(np.pad, V, (1, 2), constant_values=3.0)]
    + [first(np.pad, X, ((1, 0), (0, 2)), mode=mode) for mode in ("edge", "reflect", "symmetric", "wrap")],
    np.diff: [
        call(np.diff, X),
        call(np.diff, W, n=2),
        call(np.diff, X, axis=0, prepend=0.0),
        call(np.diff, V, append=1),
    ],
    np.ediff1d: [call(np.ediff1d, X)],
    np.gradient: [call(np.gradient, W), first(np.gradient, X, 0.5), first(np.gradient, T, axis=2)],
    np.interp: [
        first(np.interp, X, [0.0, 0.25, 0.4, 0.55], [1.0, 3.0, 2.0, 4.0]),
        (lambda f: np.interp([0.1, 0.3, 2.0, -1.0], [0.0, 0.25, 0.4], f), (V,)),
    ],
    np.polyval: [call(np.polyval, W, X)],
    np.vander: [call(np.vander, V), call(np.vander, V, N=2, increasing=True)],
    np.linspace: [call(np.linspace, N, 2.0, num=5), call(np.linspace, V, V * 2, num=4, endpoint=False, axis=1)],
    np.matmul: [call(np.matmul, *shapes) for shapes in ((X, A), (A, V), (V, A), (V, V), (S, S), (S, A), (X, S), (S, V))]
    + [(lambda x: x @ np.ones((3, 2)), (X,)), (lambda x: np.ones((4, 2)) @ x, (X,))],
    np.linalg.matmul: [call(np.linalg.matmul, X, A)],
    np.dot: [
        call(np.dot, X, A),
        call(np.dot, V, V),
        call(np.dot, N, X),
        call(np.dot, X, S),
        (lambda x: x.dot(x.T), (X,)),
    ],
    np.vdot: [call(np.vdot, X, Y)],
    np.inner: [call(np.inner, X, Y), call(np.inner, V, V), call(np.inner, X, S), call(np.inner, X, 2.0)],
    np.outer: [call(np.outer, V, W), call(np.outer, X, V)],
    np.linalg.outer: [call(np.linalg.outer, V, W)],
    np.tensordot: [
        call(np.tensordot, S, A),
        call(np.tensordot, X, Y, axes=([0], [0])),
        call(np.tensordot, V, W, axes=0),
    ],
    np.linalg.tensordot: [call(np.linalg.tensordot, X, A, axes=1)],
    np.einsum: [
        (lambda *xs, s=s: np.einsum(s, *xs), points)
        for s, points in (
            *(("ij,jk", (X, A)), ("ij->j", (X,)), ("ii", (A,)), ("ii->i", (A,)), ("ij,ij->i", (X, Y))),
            *(("bij,bj->bi", (S, X)), ("i,j->ij", (V, W)), ("...ij,j", (S, V)), ("ij,jk,k", (X, A, V))),
        )
    ]
    + [(lambda x, a: np.einsum(x, [0, 1], a, [1, 2], [0, 2]), (X, A))],
    np.linalg.vecdot: [call(np.linalg.vecdot, X, Y)],
    np.vecdot: [call(np.vecdot, X, Y)],
    np.kron: [call(np.kron, X, A), call(np.kron, V, W), call(np.kron, V, X)],
    np.cross: [
        call(np.cross, V, V + np.array([1.0, 0.0, 2.0])),
        call(np.cross, X, Y),
        call(np.cross, X.T, Y.T, axis=0),
    ],
    np.linalg.cross: [call(np.linalg.cross, X, Y)],
    np.linalg.multi_dot: [together(np.linalg.multi_dot, X, A, V)],
    np.linalg.matrix_power: [first(np.linalg.matrix_power, A, n) for n in (0, 1, 2, 3, 5, -1, -2)]
    + [(lambda s, n=n: np.linalg.matrix_power(s, n) @ s, (S,)) for n in (0, 2)],
    np.linalg.solve: [call(np.linalg.solve, A, V), call(np.linalg.solve, A, X.T), call(np.linalg.solve, S, T)],
    np.linalg.inv: [call(np.linalg.inv, A), call(np.linalg.inv, S)],
    np.linalg.det: [call(np.linalg.det, A), call(np.linalg.det, S)],
    np.linalg.slogdet: [(lambda a: tuple(np.linalg.slogdet(a)), (A,))],
    np.convolve: [call(np.convolve, W, V, mode=mode) for mode in ("full", "same", "valid")] + [call(np.convolve, V, W)],
    np.correlate: [call(np.correlate, W, V, mode=mode) for mode in ("full", "same", "valid")]
    + [call(np.correlate, V, W, mode=mode) for mode in ("full", "same", "valid")],
    np.divmod: [call(np.divmod, Y, V)],
    np.modf: [call(np.modf, Y)],
}
for name in ("matvec", "vecmat"):  # since NumPy 2.2
    if hasattr(np, name):
        EXAMPLES[getattr(np, name)] = [call(getattr(np, name), *((S, X) if name == "matvec" else (X, S)))]

SCIPY_EXAMPLES = {
    name: ufunc_examples(getattr(special, name))
    for name in SCIPY_FUNCTIONS
    if isinstance(getattr(special, name, None), np.ufunc)
}
SCIPY_EXAMPLES |= {
    name: [call(getattr(special, name), T, axis=axis) for axis in (None, 0, 1, -1, (0, 2))]
    for name in ("softmax", "log_softmax", "logsumexp")
}
SCIPY_EXAMPLES["logsumexp"] += [first(special.logsumexp, X, 1, V, keepdims=True), call(special.logsumexp, V)]
