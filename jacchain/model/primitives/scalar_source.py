"""The functions that formulas use, as Python expressions of single floats."""

from typing import Final

_MATH = {
    **{
        name: name
        for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "sqrt", "cbrt", "hypot", "fmod", "copysign")
    },
    **{name: name for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "erf", "erfc", "gamma")},
    **{f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "arctan2": "atan2",
    "power": "pow",
    "gammaln": "lgamma",
}

_COMPARISONS = {
    "greater": ">",
    "greater_equal": ">=",
    "less": "<",
    "less_equal": "<=",
    "equal": "==",
    "not_equal": "!=",
}

_ARITHMETIC = {
    "add": "({0} + {1})",
    "subtract": "({0} - {1})",
    "multiply": "({0} * {1})",
    "divide": "({0} / {1})",
    "negative": "(-{0})",
    "reciprocal": "(1.0 / {0})",
    "remainder": "({0} % {1})",
    "absolute": "abs({0})",
    "sign": "(float(({0} > 0.0) - ({0} < 0.0)) if {0} == {0} else {0})",
    "floor": "float(math.floor({0}))",
    "ceil": "float(math.ceil({0}))",
    "trunc": "float(math.trunc({0}))",
    "rint": "float(round({0}))",
    "floor_divide": "({0} // {1})",
}

_CHOICES = {
    "maximum": "({0} if {0} >= {1} or {0} != {0} else {1})",
    "fmax": "({0} if {0} >= {1} or {1} != {1} else {1})",
    "minimum": "({0} if {0} <= {1} or {0} != {0} else {1})",
    "fmin": "({0} if {0} <= {1} or {1} != {1} else {1})",
    "where": "({1} if {0} != 0.0 else {2})",
    "logical_and": "float({0} != 0.0 and {1} != 0.0)",
    "logical_or": "float({0} != 0.0 or {1} != 0.0)",
    "logical_xor": "float(({0} != 0.0) != ({1} != 0.0))",
    "isfinite": "float(math.isfinite({0}))",
    "isinf": "float(math.isinf({0}))",
    "isnan": "float(math.isnan({0}))",
    "signbit": "float(math.copysign(1.0, {0}) < 0.0)",
}

_STABLE = {
    "logaddexp": "(max({0}, {1}) + math.log1p(math.exp(-abs({0} - {1}))) if {0} != {1} else {0} + math.log(2.0))",
    "logaddexp2": "(max({0}, {1}) + math.log2(1.0 + math.exp2(-abs({0} - {1}))) if {0} != {1} else {0} + 1.0)",
    "expit": "(math.exp(min({0}, 0.0)) / (1.0 + math.exp(-abs({0}))))",
    "log_expit": "(min({0}, 0.0) - math.log1p(math.exp(-abs({0}))))",
    "logit": "math.log({0} / (1.0 - {0}))",
    "ndtr": "(0.5 * math.erfc(-0.7071067811865476 * {0}))",
    "exp10": "math.pow(10.0, {0})",
    "xlogy": "({0} * math.log({1}) if {0} != 0.0 or {1} != {1} else 0.0)",
    "xlog1py": "({0} * math.log1p({1}) if {0} != 0.0 or {1} != {1} else 0.0)",
    "entr": "(-{0} * math.log({0}) if {0} != 0.0 else 0.0)",
}

PYTHON: Final[dict[str, str]] = {
    **{name: f"math.{python}({{0}})" for name, python in _MATH.items()},
    **{name: f"math.{_MATH[name]}({{0}}, {{1}})" for name in ("hypot", "fmod", "copysign", "arctan2", "power")},
    **{name: f"float({{0}} {sign} {{1}})" for name, sign in _COMPARISONS.items()},
    **_ARITHMETIC,
    **_CHOICES,
    **_STABLE,
}
"""Templates, by NumPy's or SciPy's names; {0}, {1} and {2} are the operands. What is missing has no scalar form.

They treat NaN and infinity as NumPy does, or raise ArithmeticError or ValueError.
"""
