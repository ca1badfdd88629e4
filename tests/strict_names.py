"""The functions that NumPy and CuPy both have and that are used here, by their names and parameters."""

STANDARD_NAMES = {
    **{f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "arctan2": "atan2",
    "power": "pow",
    "absolute": "abs",
    "conjugate": "conj",
    "invert": "bitwise_invert",
}
"""The names in the standard of universal functions that NumPy calls otherwise."""

UFUNCS = (
    *("add", "subtract", "multiply", "divide", "negative", "positive", "conjugate", "absolute", "abs", "fabs", "sign"),
    *("square", "reciprocal", "sqrt", "cbrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p"),
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"),
    *("deg2rad", "radians", "rad2deg", "degrees", "floor", "ceil", "rint", "trunc", "signbit"),
    *("isfinite", "isinf", "isnan", "logical_not", "logical_and", "logical_or", "logical_xor"),
    *("power", "arctan2", "hypot", "logaddexp", "logaddexp2", "copysign", "fmod", "remainder", "floor_divide"),
    *("heaviside", "maximum", "minimum", "fmax", "fmin", "bitwise_and", "bitwise_or", "bitwise_xor", "invert"),
    *("greater", "greater_equal", "less", "less_equal", "equal", "not_equal"),
)

BEYOND = (
    *("sign", "floor", "ceil", "trunc", "logical_and", "logical_or", "logical_xor", "logical_not", "equal"),
    "not_equal",
)
"""What NumPy and CuPy do with numbers of other kinds, too, than the standard allows."""

REDUCTIONS = {
    **dict.fromkeys(("sum", "prod", "mean"), "a axis dtype out keepdims"),
    **dict.fromkeys(("max", "min", "all", "any"), "a axis out keepdims"),
    **dict.fromkeys(("cumsum", "cumprod"), "a axis dtype out"),
}

PLAIN = {
    "argmax": "a axis",
    "flip": "a axis",
    "broadcast_to": "array shape",
    "expand_dims": "a axis",
    "moveaxis": "a source destination",
    "reshape": "a newshape",
    "transpose": "a axes",
    "swapaxes": "a axis1 axis2",
    "ravel": "a",
    "squeeze": "a axis",
    "tril": "m k",
    "trace": "a",
    "where": "condition x y",
    "roll": "a shift axis",
    "diff": "a n axis",
    "convolve": "a v mode",
    "correlate": "a v mode",
    "tensordot": "a b axes",
    "outer": "a b",
    "zeros_like": "a dtype",
    "ones_like": "a dtype",
}
"""Functions of arrays that are NumPy's own, with the names of CuPy's parameters."""

LINALG = ("solve", "inv", "det", "slogdet", "norm")

ARITHMETIC = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "pow": "power",
    "mod": "remainder",
    "floordiv": "floor_divide",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
}
"""Universal functions by what the methods of operators are called."""

COMPARISONS = {
    "gt": "greater",
    "ge": "greater_equal",
    "lt": "less",
    "le": "less_equal",
    "eq": "equal",
    "ne": "not_equal",
    "neg": "negative",
    "pos": "positive",
    "abs": "absolute",
    "invert": "invert",
}
"""Those without a reflected method."""
