"""Hypothesis strategies for layers and compositions, each with a point at which it is smooth."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from strategies import anywhere, seeds, structure_chains, twin_of

import jacchain as jc
from jacchain import layers as jl
from jacchain.algebra.matrix import Matrix
from jacchain.model.layer import Layer


class Cube(jc.Elementwise):
    def function(self, x): return x**3  # fmt: skip

    def derivative(self, x): return 3 * x**2  # fmt: skip

    def second_derivative(self, x): return 6 * x  # fmt: skip


class Sample(NamedTuple):
    """A layer or composition with a smooth point, and the value by plain NumPy."""

    layer: Layer | jc.Sequential
    point: np.ndarray


def positive(rng: np.random.Generator, shape) -> np.ndarray:
    return rng.uniform(0.2, 1.5, shape)


def away_from_zero(rng: np.random.Generator, shape) -> np.ndarray:
    return positive(rng, shape) * rng.choice([-1.0, 1.0], shape)


def sine(m: int, n: int, rng: np.random.Generator) -> dict:
    """x ↦ sin(A x) with every derivative that a Function can have."""
    a = anywhere(rng.normal(size=(m, n)))
    return {
        "function": lambda x: np.sin(a(x) @ x),
        "jacobian": lambda x: np.cos(a(x) @ x)[:, None] * a(x),
        "jvp": lambda x, v: np.cos(a(x) @ x) * (a(x) @ v),
        "vjp": lambda x, u: (np.cos(a(x) @ x) * u) @ a(x),
        "hessian": lambda x, u: -(a(x).T * (u * np.sin(a(x) @ x))) @ a(x),
        "hvp": lambda x, u, v: -((u * np.sin(a(x) @ x)) * (a(x) @ v)) @ a(x),
    }


def make(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Layer:
    """A stock layer that takes a shape."""
    match name:
        case "Linear":
            return jl.Linear(rng.normal(size=(3, shape[0])))
        case "LeftMultiply":
            return jl.LeftMultiply(rng.normal(size=(rng.integers(1, 4), shape[0])))
        case "RightMultiply":
            return jl.RightMultiply(rng.normal(size=(shape[-1], rng.integers(1, 4))))
        case "Bias":
            return jl.Bias(rng.normal(size=[n if rng.random() < 0.5 else 1 for n in shape]))
        case "Softmax" | "Sum":
            return getattr(jl, name)(axis=int(rng.integers(-len(shape), len(shape))))
        case "MeanSquaredError":
            return jl.MeanSquaredError(rng.normal(size=shape))
        case "CrossEntropy":
            target = rng.uniform(size=shape) * (rng.uniform(size=shape) < 0.7)
            return jl.CrossEntropy(target, axis=int(rng.integers(len(shape))), logits=bool(rng.random() < 0.5))
        case "Reshape":
            return jl.Reshape((-1,))
        case "Function":
            parts = sine(2, int(np.prod(shape)), rng)
            kept = [("jacobian",), ("jvp",), ("vjp",), ("jvp", "vjp"), ("jacobian", "vjp")][rng.integers(5)]
            kept += [("hessian",), ("hvp",), ("hessian", "hvp")][rng.integers(3)]
            flat = {
                "jacobian": lambda x: parts["jacobian"](x.reshape(-1)),
                "jvp": lambda x, v: parts["jvp"](x.reshape(-1), v.reshape(-1)),
                "vjp": lambda x, u: parts["vjp"](x.reshape(-1), u).reshape(x.shape),
                "hessian": lambda x, u: parts["hessian"](x.reshape(-1), u),
                "hvp": lambda x, u, v: parts["hvp"](x.reshape(-1), u, v.reshape(-1)).reshape(x.shape),
            }
            return jc.Function(lambda x: parts["function"](x.reshape(-1)), outputs=2, **{k: flat[k] for k in kept})
        case "Elementwise":
            return Cube()
        case _:
            return getattr(jl, name)()


VECTORS = {"Linear"}
MATRICES = {"LeftMultiply", "RightMultiply"}
SCALARS = {"MeanSquaredError", "CrossEntropy"}


@st.composite
def samples(draw, name: str, *, most: int = 4):
    """A stock layer of a name with a point."""
    axes = 1 if name in VECTORS else 2 if name in MATRICES else draw(st.integers(1, 3))
    shape = tuple(draw(st.lists(st.integers(1, most), min_size=axes, max_size=axes)))
    rng = np.random.default_rng(draw(seeds))
    point = (positive if name in ("Log", "CrossEntropy") else away_from_zero)(rng, shape)
    return Sample(make(name, shape, rng), point)


SMOOTH = ["Tanh", "Sigmoid", "Softplus", "Square", "Elementwise", "Bias", "Softmax", "Reshape", "Function", "Sum"]


@st.composite
def compositions(draw, *, longest: int = 5, most: int = 4):
    """A composition of layers that are smooth everywhere, on vectors and matrices."""
    rng = np.random.default_rng(draw(seeds))
    shape = tuple(draw(st.lists(st.integers(1, most), min_size=1, max_size=2)))
    point = rng.normal(size=shape)
    layers = []
    for _ in range(draw(st.integers(1, longest))):
        fitting = SMOOTH + (["Linear"] if len(shape) == 1 else sorted(MATRICES)) if shape else ["Tanh", "Square"]
        layers.append(make(draw(st.sampled_from(fitting)), shape, rng))
        shape = layers[-1].facts(shape).outputs
    return Sample(jc.Sequential(layers), point)


class Structured(NamedTuple):
    """A composition whose local Jacobians are given structured matrices, and their dense product."""

    layers: list[jc.Function]
    point: np.ndarray
    product: np.ndarray


@st.composite
def structured_compositions(draw, *, longest: int = 5, dtype=np.float64):
    """Chains of linear functions with a structured Jacobian each, some with tangents and adjoints besides or only."""
    seed = draw(seeds)
    twins = [twin_of(s, seed + k, dtype) for k, s in enumerate(draw(structure_chains(longest=longest)))]
    layers = [
        _linear(t.matrix, t.dense, draw(st.sampled_from(["", "", "both", "jvp", "vjp", "jvp vjp"]))) for t in twins
    ]
    product = np.linalg.multi_dot([t.dense for t in twins[::-1]]) if len(twins) > 1 else twins[0].dense
    return Structured(layers, np.ones(twins[0].dense.shape[1], dtype), product)


def _linear(matrix: Matrix, dense: np.ndarray, kind: str) -> jc.Function:
    whole = anywhere(dense)
    products = {"jvp": lambda x, v: whole(x) @ v, "vjp": lambda x, u: u @ whole(x)}
    explicit = {"jacobian": anywhere(matrix), "structure": matrix.structure}
    options = {"": explicit, "both": explicit | products}.get(kind) or {k: products[k] for k in kind.split()}
    return jc.Function(lambda x: whole(x) @ x, outputs=dense.shape[0], **options)


def central_differences(function, x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """The Jacobian by central differences, as a matrix."""
    columns = []
    for k in range(x.size):
        e = np.zeros(x.size)
        e[k] = step
        ahead, behind = (function(x + s * e.reshape(x.shape)) for s in (1, -1))
        columns.append((np.asarray(ahead) - np.asarray(behind)).reshape(-1) / (2 * step))
    return np.stack(columns, axis=1)
