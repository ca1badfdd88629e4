"""NumPy's functions with a kink, with the derivative there chosen by the caller."""

from jacchain.model.kinks import absolute, max, maximum, min, minimum, relu  # noqa: A004  (NumPy's names)

__all__ = ["absolute", "max", "maximum", "min", "minimum", "relu"]
