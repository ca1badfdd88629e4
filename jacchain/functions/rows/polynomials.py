"""Steps written anew as sums of products: like terms collected, and what cancels left out."""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Final, final

from jacchain.functions.rows.row_writer import RowWriter, kind
from jacchain.functions.scalar.steps import CONSTANT, ScalarStep
from jacchain.functions.scalar.sums import Term, sum_of

ARITHMETIC: Final = frozenset({"add", "subtract", "multiply", "divide", "negative"})
LINEAR: Final = frozenset({"take", "put", "sum", "sums"})

WIDEST: Final = 48
"""Products that a sum may have; a longer one is a quantity of its own."""

TINY: Final = 1e-14
"""A coefficient so much smaller than what it is the sum of is a zero that was rounded."""

Monomial = tuple[int, ...]
"""A product of steps, in order; one may stand there several times."""

Polynomial = dict[Monomial, float]
"""A sum of products with coefficients."""


def plus(first: Mapping[Monomial, float], second: Mapping[Monomial, float], sign: float = 1.0, /) -> Polynomial:
    """Return a sum or a difference, without the products that cancel.

    Examples
    --------
    >>> plus({(1, 2): 2.0, (3,): 1.0}, {(1, 2): 2.0}, -1.0)
    {(3,): 1.0}
    """
    found = dict(first)
    for monomial, number in second.items():
        known = found.get(monomial, 0.0)
        total = known + sign * number
        if abs(total) <= TINY * max(abs(known), abs(number)):
            found.pop(monomial, None)
        else:
            found[monomial] = total
    return found


def times(first: Mapping[Monomial, float], second: Mapping[Monomial, float], /) -> Polynomial:
    """Return a product.

    Examples
    --------
    >>> times({(1,): 1.0, (2,): 1.0}, {(1,): 1.0, (2,): -1.0})
    {(1, 1): 1.0, (2, 2): -1.0}
    """
    found: Polynomial = {}
    for a, x in first.items():
        found = plus(found, {tuple(sorted((*a, *b))): x * y for b, y in second.items()})
    return found


@final
class Rewriting:
    """Writes the steps of one program to another.

    Parameters
    ----------
    writer : RowWriter
        Of the other program.
    steps : sequence of ScalarStep
    kept : set of int
        The sums and products that stay quantities of their own; all others are multiplied out.
    is_contracted : bool
        Write cos a cos b - sin a sin b as cos(a + b), and the like.
    """

    def __init__(
        self, writer: RowWriter, steps: Sequence[ScalarStep], kept: Set[int], /, *, is_contracted: bool
    ) -> None:
        self.writer = writer
        self.steps = steps
        self.kept = kept
        self.is_contracted = is_contracted
        self.polynomials: list[Polynomial] = []
        self._arguments: dict[int, tuple[str, Polynomial]] = {}
        self._written: dict[tuple[tuple[Monomial, float], ...], int] = {}

    def results(self, rows: Iterable[int], /) -> tuple[int, ...]:
        """Write all steps, and return those that some results have become."""
        for k, step in enumerate(self.steps):
            self.polynomials.append(self._polynomial(k, step))
        return tuple(self._write(self.polynomials[row]) for row in rows)

    def _polynomial(self, k: int, step: ScalarStep) -> Polynomial:
        known = [self.polynomials[i] for i in step.operands]
        match step.function:
            case "constant":
                return {(): step.number} if step.number else {}
            case "input":
                return {(self.writer.inner.copy(step, ()),): 1.0}
            case "add":
                found = plus(known[0], known[1])
            case "subtract":
                found = plus(known[0], known[1], -1.0)
            case "negative":
                found = {monomial: -number for monomial, number in known[0].items()}
            case "divide" if known[1] and len(known[0]) <= WIDEST:
                found = times(known[0], self._reciprocal(known[1]))
            case "multiply" if len(known[0]) * len(known[1]) <= WIDEST:
                found = times(known[0], known[1])
            case _ if kind(step.function) in LINEAR:
                return self._moved(step, known)
            case _:
                return {(self._applied(step, known),): 1.0}
        is_simple = not found or (len(found) == 1 and len(next(iter(found))) <= 1)
        if is_simple or (k not in self.kept and len(found) <= WIDEST):
            return found
        written = self._write(found)
        number = self.writer.inner.number(written)
        return {(written,): 1.0} if number is None else {(): number}

    def _reciprocal(self, divisor: Polynomial) -> Polynomial:
        """Return 1 / divisor: with the divisor's first coefficient taken out, and of powers the power of one."""
        first = min(divisor)
        number = divisor[first]
        if len(divisor) == 1 and len(set(first)) <= 1:
            ones = [self.writer.inner.step("divide", (self.writer.number(1.0), k)) for k in first]
            return {tuple(ones): 1.0 / number}
        scaled = self._write({monomial: x / number for monomial, x in divisor.items()})
        return {(self.writer.inner.step("divide", (self.writer.number(1.0), scaled)),): 1.0 / number}

    def _moved(self, step: ScalarStep, known: Sequence[Polynomial]) -> Polynomial:
        """Return what a linear function gives, with the factor that all its operands have taken out."""
        factors = {next(iter(polynomial.values())) for polynomial in known if len(polynomial) == 1}
        if len(factors) != 1 or any(len(polynomial) != 1 for polynomial in known):
            return {(self._applied(step, known),): 1.0}
        (factor,) = factors
        bare = [dict.fromkeys(polynomial, 1.0) for polynomial in known]
        found = self._applied(step, bare)
        number = self.writer.inner.number(found)
        return {(found,): factor} if number is None else plus({}, {(): factor * number})

    def _applied(self, step: ScalarStep, known: Sequence[Polynomial]) -> int:
        operands = [self._write(polynomial) for polynomial in known]
        if ":" in step.function:
            return self.writer.again(step, operands)
        found = self.writer.inner.step(step.function, operands)
        if step.function in ("sin", "cos") and self.writer.inner.steps[found].function == step.function:
            self._arguments[found] = step.function, known[0]
        return found

    def _write(self, polynomial: Polynomial) -> int:
        key = tuple(sorted(polynomial.items()))
        if key not in self._written:
            if self.is_contracted:
                polynomial = self._contracted(polynomial)
            inner = self.writer.inner
            terms = [self._term(monomial, number) for monomial, number in sorted(polynomial.items())]
            self._written[key] = sum_of(inner, terms) if terms else inner.constant(0.0)
        return self._written[key]

    def _term(self, monomial: Monomial, number: float) -> Term:
        factors = sorted(monomial, key=lambda k: (self.writer.length(k), k))
        if abs(number) != 1.0 or not factors:
            factors.insert(0, self.writer.number(abs(number)))
        return Term(number < 0, tuple(factors))

    def _contracted(self, polynomial: Polynomial) -> Polynomial:
        """Return a polynomial with sums of two products of waves written as one wave."""
        found = dict(polynomial)
        for monomial in sorted(polynomial):
            for place, first in enumerate(monomial):
                for second in monomial[place + 1 :]:
                    if first in self._arguments and second in self._arguments and monomial in found:
                        found = self._joined(found, monomial, first, second)
        return found

    def _joined(self, polynomial: Polynomial, monomial: Monomial, first: int, second: int) -> Polynomial:
        """Return a polynomial with a product of two waves joined with its counterpart, if that is there."""
        (f, a), (g, b) = self._arguments[first], self._arguments[second]
        number = polynomial[monomial]
        rest = list(monomial)
        rest.remove(first)
        rest.remove(second)
        partner = tuple(
            sorted((*rest, *(self._known({"sin": "cos", "cos": "sin"}[w], x) for w, x in ((f, a), (g, b)))))
        )
        other = polynomial.get(partner)
        if other is None or partner == monomial or abs(other) != abs(number):
            return polynomial
        is_equal = other == number
        # cos a cos b ∓ sin a sin b = cos(a ± b); sin a cos b ± cos a sin b = sin(a ± b)
        match f, g:
            case ("cos", "cos"):
                wave, sign = "cos", -1.0 if is_equal else 1.0
            case ("sin", "sin"):
                wave, sign = "cos", -1.0 if is_equal else 1.0
                number = number if is_equal else -number
            case ("sin", "cos"):
                wave, sign = "sin", 1.0 if is_equal else -1.0
            case _:
                wave, sign = "sin", 1.0 if is_equal else -1.0
                a, b = b, a
        argument = plus(a, b, sign)
        left = {m: x for m, x in polynomial.items() if m not in (monomial, partner)}
        return plus(left, times({tuple(rest): number}, self._wave(wave, argument)))

    def _known(self, wave: str, argument: Polynomial) -> int:
        """Return the step of a wave that has been written, or -1."""
        return next((k for k, known in self._arguments.items() if known == (wave, argument)), -1)

    def _wave(self, wave: str, argument: Polynomial) -> Polynomial:
        if not argument:
            return {(): 1.0} if wave == "cos" else {}
        sign = 1.0
        if all(number < 0 for number in argument.values()):  # cos(-a) = cos a, sin(-a) = -sin a
            argument = {monomial: -number for monomial, number in argument.items()}
            sign = 1.0 if wave == "cos" else -1.0
        found = self.writer.inner.step(wave, (self._write(argument),))
        number = self.writer.inner.number(found)
        if number is not None:
            return {(): sign * number}
        self._arguments[found] = wave, argument
        return {(found,): sign}


def shared(steps: Sequence[ScalarStep], results: Iterable[int], /) -> list[int]:
    """Return the sums and products that are used more than once, and the sums in products."""
    uses = [0] * len(steps)
    found: set[int] = set()
    for step in steps:
        for operand in step.operands:
            uses[operand] += 1
            if step.function == "multiply" and steps[operand].function in ("add", "subtract"):
                found.add(operand)
    for row in results:
        uses[row] += 1
    found.update(k for k, count in enumerate(uses) if count > 1)
    return [k for k in sorted(found) if steps[k].function in ARITHMETIC and steps[k].function != CONSTANT]
