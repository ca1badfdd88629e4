"""Steps written anew as sums of products: like terms collected, and what cancels left out."""

from collections.abc import Iterable, Sequence, Set
from math import frexp
from typing import Final, final

from jacchain.functions.rows.row_writer import RowWriter, kind
from jacchain.functions.scalar.steps import CONSTANT, ScalarStep
from jacchain.functions.scalar.sums import Term, sum_of

ARITHMETIC: Final = frozenset({"add", "subtract", "multiply", "divide", "negative"})
LINEAR: Final = frozenset({"take", "put", "sum", "sums"})

WIDEST: Final = 48
"""Products that a sum may have; a longer one is a quantity of its own."""

TAME: Final = 2.0**60
"""Coefficients no larger, nor smaller than one over it, have products in float32's range."""

Monomial = tuple[int, ...]
"""A product of steps, in order; one may stand there several times."""

Polynomial = dict[Monomial, float]
"""A sum of products with coefficients."""


def plus(first: Polynomial, second: Polynomial, sign: float = 1.0, /) -> Polynomial | None:
    """Return a sum or a difference, without the products that cancel; None where that might lose digits.

    Notes
    -----
    (x - c) + z is exact where x is near c, and (x + z) - c is not if z is small. So the longer operand's terms stay
    in their order, like terms meet in its places, and at most one more is added last: where nothing meets, that is
    the sum as it was. Of a longer sum a term's coefficient changes only as `_met` allows, and only that of one term.

    Examples
    --------
    >>> plus({(1, 2): 2.0, (3,): 1.0}, {(1, 2): 2.0}, -1.0)
    {(3,): 1.0}
    >>> plus({(1,): 1.0, (2,): -1.0}, {(3,): 1.0, (4,): 1.0})
    """
    signed = {monomial: sign * number for monomial, number in second.items()}
    longer, shorter = (first, signed) if len(first) >= len(signed) else (signed, first)
    found, changed, new = dict(longer), 0, Polynomial()
    for monomial, number in shorter.items():
        if monomial not in longer:
            new[monomial] = number
        elif longer[monomial] == -number:
            del found[monomial]
        elif len(longer) == 1 or _met(monomial, longer[monomial], number):
            found[monomial] += number
            changed += 1
        else:
            return None
    if len(new) > 1 or (changed > 1) or (changed and new and len(longer) > 1):
        return None
    return {**found, **new}


def _met(monomial: Monomial, first: float, second: float) -> bool:
    """Whether a term's coefficient in a longer sum may become that of two terms.

    Let y be the rest of the sum (first · x + y) + second · x. A power of two times x, and a sum of two constants that
    is a number, are not rounded, so neither order loses more. Otherwise the product is rounded, by |first + second|
    |x| ε. That shows in the result only where y is near -(first + second) x; there first · x + y is about -second · x,
    which if |second| > |first| is no difference of neighbours within a factor of two, and is rounded alike.
    """
    total = first + second
    back = total - first
    is_exact = (first - (total - back)) + (second - back) == 0.0
    return is_exact and (not monomial or abs(frexp(total)[0]) == 0.5 or abs(second) > abs(first))


def times(first: Polynomial, second: Polynomial, /) -> Polynomial | None:
    """Return a product of two products; None where one is a sum, or their coefficients go out of range.

    A sum is never multiplied out: x y - x z has errors of the order of x y, and x (y - z) may have none.

    Examples
    --------
    >>> times({(1,): 2.0}, {(1, 2): -1.0}), times({(1,): 1.0, (2,): 1.0}, {(1,): 1.0})
    ({(1, 1, 2): -2.0}, None)
    """
    if not first or not second:
        return {}
    if len(first) > 1 or len(second) > 1:
        return None
    ((a, x),), ((b, y),) = first.items(), second.items()
    return {tuple(sorted((*a, *b))): x * y} if is_tame(x) and is_tame(y) else None


def is_tame(number: float, /) -> bool:
    """Whether products with a coefficient stay in range wherever those without it do, but for extreme numbers."""
    return 1 / TAME <= abs(number) <= TAME


def _is_tame_product(polynomial: Polynomial) -> bool:
    return len(polynomial) == 1 and is_tame(next(iter(polynomial.values())))


def _constant(number: float) -> Polynomial:
    return {(): number} if number else {}


@final
class Rewriting:
    """Writes the steps of one program to another.

    Parameters
    ----------
    writer : RowWriter
        Of the other program.
    steps : sequence of ScalarStep
    kept : set of int
        The sums and products that stay quantities of their own; others may join the sums and products they stand in.
    is_contracted : bool
        Write cos a cos b - sin a sin b as cos(a + b), and the like, where a + b is nothing or a power of two times one
        row.

    Notes
    -----
    Let a = p - q and b = p + q as computed: each is off by up to ε (|p| + |q|), and so are their waves, besides ε of
    their own; so cos a cos b - sin a sin b is off by up to some ε (1 + |p| + |q|). 2 p is exact, and cos 2 p is off by
    ε of itself. Of independent a and b the sum is rounded, so that cos(a + b) may be off by ε |a + b| where the
    products are off by ε: those stay. A sine is small only where the sum is, which is then as exact as its parts.
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
        self._sums: dict[int, Polynomial] = {}
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
                return _constant(step.number)
            case "input":
                return {(self.writer.inner.copy(step, ()),): 1.0}
            case "add" | "subtract":
                found = self._sum(known[0], known[1], 1.0 if step.function == "add" else -1.0)
            case "negative":
                found = {monomial: -number for monomial, number in known[0].items()}
            case "divide" if known[1]:
                found = self._product(known[0], self._reciprocal(known[1]))
            case "multiply":
                found = self._product(known[0], known[1])
            case _ if kind(step.function) in LINEAR:
                return self._moved(step, known)
            case _:
                return {(self._applied(step, known),): 1.0}
        is_simple = not found or (len(found) == 1 and len(next(iter(found))) <= 1)
        return found if is_simple or (k not in self.kept and len(found) <= WIDEST) else self._alone(found)

    def _alone(self, polynomial: Polynomial) -> Polynomial:
        """Return a polynomial as a quantity of its own."""
        if len(polynomial) == 1 and abs(next(iter(polynomial.values()))) == 1.0 and len(next(iter(polynomial))) == 1:
            return polynomial
        written = self._write(polynomial)
        number = self.writer.inner.number(written)
        return {(written,): 1.0} if number is None else _constant(number)

    def _sum(self, first: Polynomial, second: Polynomial, sign: float) -> Polynomial:
        found = plus(first, second, sign)
        if found is None and len(first) >= len(second):
            found = plus(first, self._alone(second), sign)
        elif found is None:
            found = plus(self._alone(first), second, sign)
        return plus(self._alone(first), self._alone(second), sign) or {} if found is None else found

    def _product(self, first: Polynomial, second: Polynomial) -> Polynomial:
        found = times(first, second)
        if found is None:
            found = times(*(one if _is_tame_product(one) else self._alone(one) for one in (first, second)))
        if found is None:  # with a constant out of range
            written = self.writer.inner.step("multiply", (self._write(first), self._write(second)))
            number = self.writer.inner.number(written)
            return {(written,): 1.0} if number is None else _constant(number)
        return found

    def _reciprocal(self, divisor: Polynomial) -> Polynomial:
        """Return 1 / divisor: of a product with a coefficient without that, and of powers the power of one."""
        one = self.writer.number(1.0)
        if len(divisor) == 1:
            ((monomial, number),) = divisor.items()
            if is_tame(number) and len(set(monomial)) <= 1:
                return {tuple(self.writer.inner.step("divide", (one, k)) for k in monomial): 1.0 / number}
        return {(self.writer.inner.step("divide", (one, self._write(divisor))),): 1.0}

    def _moved(self, step: ScalarStep, known: Sequence[Polynomial]) -> Polynomial:
        """Return what a linear function gives, with the factor that all its operands have taken out."""
        factors = {next(iter(polynomial.values())) for polynomial in known if len(polynomial) == 1}
        if len(factors) != 1 or any(len(polynomial) != 1 for polynomial in known):
            return {(self._applied(step, known),): 1.0}
        (factor,) = factors
        bare = [dict.fromkeys(polynomial, 1.0) for polynomial in known]
        found = self._applied(step, bare)
        number = self.writer.inner.number(found)
        return {(found,): factor} if number is None else _constant(factor * number)

    def _applied(self, step: ScalarStep, known: Sequence[Polynomial]) -> int:
        operands = [self._write(polynomial) for polynomial in known]
        if ":" in step.function:
            return self.writer.again(step, operands)
        found = self.writer.inner.step(step.function, operands)
        if step.function in ("sin", "cos") and self.writer.inner.steps[found].function == step.function:
            self._arguments[found] = step.function, known[0]
        return found

    def _write(self, polynomial: Polynomial) -> int:
        key = tuple(polynomial.items())
        if key not in self._written:
            if self.is_contracted:
                polynomial = self._contracted(polynomial)
            inner = self.writer.inner
            terms = [self._term(monomial, number) for monomial, number in polynomial.items()]
            found = self._written[key] = sum_of(inner, terms) if terms else inner.constant(0.0)
            if len(polynomial) > 1:
                self._sums[found] = polynomial
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
        argument = self._exact(a, b, sign)
        left = {m: x for m, x in polynomial.items() if m not in (monomial, partner)}
        wave_of = None if argument is None else times({tuple(rest): number}, self._wave(wave, argument))
        found = None if wave_of is None else plus(left, wave_of)
        return polynomial if found is None else found

    def _exact(self, first: Polynomial, second: Polynomial, sign: float) -> Polynomial | None:
        """Return a sum or difference of arguments where that is nothing, or a power of two times one row."""
        total = self._expanded(first)
        for monomial, number in self._expanded(second).items():
            total[monomial] = total.get(monomial, 0.0) + sign * number
        found = {monomial: number for monomial, number in total.items() if number}
        if not found:
            return found
        is_exact = len(found) == 1 and () not in found and abs(frexp(next(iter(found.values())))[0]) == 0.5
        return found if is_exact else None

    def _expanded(self, polynomial: Polynomial) -> Polynomial:
        """Return an argument with the sums in it written out."""
        found = Polynomial()
        for monomial, number in polynomial.items():
            inner = self._sums.get(monomial[0]) if len(monomial) == 1 else None
            for part, factor in (self._expanded(inner) if inner else {monomial: 1.0}).items():
                found[part] = found.get(part, 0.0) + number * factor
        return found

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
