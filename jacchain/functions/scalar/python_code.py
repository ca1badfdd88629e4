"""A straight-line program as Python source, compiled once: the fastest way to take one point through it."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from jacchain.functions.scalar.scalar_program import ScalarProgram
from jacchain.functions.scalar.steps import CONSTANT, INPUT, ScalarStep
from jacchain.model.primitives.scalar_source import PYTHON

DEEPEST: Final = 12
"""Steps that are nested into one expression; Python's parser does not take many brackets."""

Compiled = Callable[[Sequence[float]], list[float]]


def template(function: str, /) -> str | None:
    """Return a function as a Python expression of operands {0}, {1} and {2}; None where Python has none."""
    return PYTHON.get(function)


def python_code(program: ScalarProgram, /) -> str | None:
    """Return the source of a function of one sequence of floats that returns a list of floats.

    Parameters
    ----------
    program : ScalarProgram

    Returns
    -------
    str or None
        None where a function has no form in Python's module `math`. What is used once is written where it is used.

    Examples
    --------
    >>> x, sine, product = ScalarStep("input", (), 0), ScalarStep("sin", (0,)), ScalarStep("multiply", (0, 1))
    >>> print(python_code(ScalarProgram((x, sine, product), 1, (2,))))
    def program(point):
        x0, = point
        return [(x0 * sin(x0))]
    """
    if any(template(step.function) is None for step in program.steps if step.function not in (INPUT, CONSTANT)):
        return None
    uses = Counter(k for step in program.steps for k in step.operands)
    uses.update(program.results)
    inputs = "".join(f"x{k}, " for k in range(program.inputs))
    lines = ["def program(point):", f"    {inputs.strip()} = point"] if inputs else ["def program(point):"]
    texts: list[str] = []
    depths: list[int] = []
    nested = _nested(program.steps) | set(program.results)
    for k, step in enumerate(program.steps):
        text, depth = _text(step, texts), 1 + max((depths[i] for i in step.operands), default=-1)
        is_name = step.function in (INPUT, CONSTANT)
        if depth > DEEPEST or not (is_name or (uses[k] == 1 and k in nested)):
            lines.append(f"    v{k} = {text[1:-1] if _is_wrapped(text) else text}")
            text, depth = f"v{k}", 0
        texts.append(text)
        depths.append(depth)
    return "\n".join([*lines, f"    return [{', '.join(texts[k] for k in program.results)}]"])


def compiled(source: str, /) -> Compiled:
    """Return the function of a source made by `python_code`.

    It raises ArithmeticError or ValueError where NumPy gives infinity or NaN.
    """
    names: dict[str, Any] = {name: value for name, value in vars(math).items() if not name.startswith("_")}
    # the source is made of numbered names, numbers and the table's templates only
    exec(compile(source, "<straight-line program>", "exec"), names)
    made: Compiled = names["program"]
    return made


def _nested(steps: Sequence[ScalarStep]) -> set[int]:
    """Return the steps that some template reads exactly once, so that they may be written into it."""
    found: set[int] = set()
    for step in steps:
        source = template(step.function) or ""
        found.update(k for place, k in enumerate(step.operands) if source.count(f"{{{place}}}") == 1)
    return found


def _text(step: ScalarStep, texts: Sequence[str]) -> str:
    match step.function:
        case "input":
            return f"x{step.number:.0f}"
        case "constant":
            return _literal(step.number)
        case function:
            source = template(function)
            assert source is not None
            return re.sub(r"\bmath\.", "", source).format(*(texts[k] for k in step.operands))


def _literal(number: float) -> str:
    if math.isfinite(number):
        return repr(number) if number >= 0 else f"({number!r})"
    return "nan" if math.isnan(number) else f"({'-' * (number < 0)}inf)"


def _is_wrapped(text: str) -> bool:
    """Whether a text's first bracket is closed by its last."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return letter == ")" and place == len(text) - 1
    return False
