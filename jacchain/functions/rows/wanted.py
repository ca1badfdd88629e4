"""What is wanted of a function: values and derivatives."""

from typing import Literal, NamedTuple, final

Kind = Literal["value", "gradient", "jacobian", "hessian"]


@final
class Wanted(NamedTuple):
    """One result.

    Attributes
    ----------
    kind : {"value", "gradient", "jacobian", "hessian"}
        A gradient and a Hessian are of an output of one number.
    output : int
        Which of the expression's outputs, by position.
    """

    kind: Kind
    output: int
