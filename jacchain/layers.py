"""The stock layers."""

from jacchain.errors import unknown_attribute
from jacchain.model.elementwise import Abs, Elementwise, Exp, Log, Relu, Sigmoid, Softplus, Square, Tanh
from jacchain.model.function import Function
from jacchain.model.linear import Bias, LeftMultiply, Linear, Reshape, RightMultiply, Sum
from jacchain.model.loss import CrossEntropy, MeanSquaredError, Softmax

__all__ = [
    "Abs",
    "Bias",
    "CrossEntropy",
    "Elementwise",
    "Exp",
    "Function",
    "LeftMultiply",
    "Linear",
    "Log",
    "MeanSquaredError",
    "Relu",
    "Reshape",
    "RightMultiply",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Square",
    "Sum",
    "Tanh",
]


def __getattr__(name: str) -> object:
    if not name.startswith("_"):
        unknown_attribute("layer", name, __all__)
    raise AttributeError(f"module 'jacchain.layers' has no attribute {name!r}")
