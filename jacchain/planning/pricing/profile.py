"""A machine profile: what the steps of programs take in seconds on one device."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, final

from jacchain.errors import OptionError
from jacchain.planning.pricing.curve import Curve
from jacchain.planning.pricing.grid import Grid
from jacchain.planning.pricing.way_table import WayTable

CURVES: Final = (
    *("multiply", "scale_rows", "scale_columns", "copy", "fill", "tanh", "exp", "outer"),
    *("take", "scatter", "segment_sum", "csr_dot", "csr_dot_one", "dot_csr", "stated", "fetch", "to_device", "to_host"),
)
"""What is measured by one size.

By the numbers written: multiply (of equal shapes), scale_rows and scale_columns (of a matrix by a vector), copy, fill,
tanh, exp, outer (products of entries by ``einsum``), take, scatter; by the numbers read: segment_sum. By nonzeros times
columns: csr_dot, csr_dot_one (one column), dot_csr. By multiplications: stated, of what a function states of itself.
By the bytes of all matrices of a problem: fetch, what one byte of a matrix takes that was last read a run before. By
bytes: to_device and to_host, copies between the host and the device.
"""


@final
class Machine(NamedTuple):
    """What times depend on.

    Attributes
    ----------
    processor, system, blas : str
        The processor's model, the operating system, and the BLAS with its version and kernels; "" where unknown.
    cores, threads : int
        That may be used, and that the BLAS uses; 0 where unknown.
    numpy, jacchain : str
        Versions.
    device : str
        "cpu", or the model of the device behind "cuda".
    """

    processor: str
    cores: int
    system: str
    blas: str
    threads: int
    numpy: str
    jacchain: str
    device: str = "cpu"


@final
@dataclass(frozen=True)
class Rates:
    """Seconds of what programs do with numbers of one dtype.

    Attributes
    ----------
    dtype : str
        "float32" or "float64".
    grid : Grid
        Products of two matrices.
    ways : WayTable
        How those of thin matrices are made best.
    call : float
        What one call takes that does nothing: on a device, a launch.
    run : float
        What a run takes besides its calls.
    loop : float
        What each inner loop of an elementwise operation takes besides its numbers.
    item : float
        What each product of a stack takes besides its multiplications.
    segment : float
        What each segment of a sum of segments takes besides its numbers.
    turned : float
        How many times as long a product takes whose operand is transposed.
    curves : tuple of (str, Curve)
        By the names of `CURVES`, in that order.
    """

    dtype: str
    grid: Grid
    ways: WayTable
    call: float
    run: float
    loop: float
    item: float
    segment: float
    turned: float
    curves: tuple[tuple[str, Curve], ...]

    def __hash__(self) -> int:
        return hash((self.dtype, self.call, self.run, self.grid))

    def __repr__(self) -> str:
        return f"<Rates of {self.dtype}>"

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return 4 if self.dtype == "float32" else 8

    @cached_property
    def by_name(self) -> dict[str, Curve]:
        """The curves by their names."""
        return dict(self.curves)

    def __getitem__(self, name: str, /) -> Curve:
        return self.by_name[name]


@final
@dataclass(frozen=True)
class Profile:
    """Rates measured on one device of one machine.

    Attributes
    ----------
    name : str
        What reports call it.
    machine : Machine
        Where it was measured.
    date : str
        When, as YYYY-MM-DD.
    rates : tuple of Rates
        One for each dtype.
    is_shipped : bool
        It came with the package, and was measured elsewhere.
    is_measured : bool
        It was measured; else it is put together from published figures.
    """

    name: str
    machine: Machine
    date: str
    rates: tuple[Rates, ...]
    is_shipped: bool = False
    is_measured: bool = True

    def __hash__(self) -> int:
        return hash((self.name, self.date, self.machine))

    def __repr__(self) -> str:
        return f"<Profile {self.name}, of {' and '.join(rates.dtype for rates in self.rates)}>"

    def rates_of(self, itemsize: int, /) -> Rates:
        """Return the rates for numbers of so many bytes.

        Raises
        ------
        OptionError
            None were measured.
        """
        for rates in self.rates:
            if rates.itemsize == itemsize:
                return rates
        known = ", ".join(rates.dtype for rates in self.rates)
        raise OptionError(f"the profile {self.name} has {known}, not numbers of {itemsize} bytes", "calibrate anew")

    def to_json(self) -> str:
        """Return the profile as one JSON document of schema ``jacchain.profile/v1``."""
        from jacchain.planning.pricing.profile_document import profile_to_json

        return profile_to_json(self)

    @staticmethod
    def from_json(text: str | bytes, /, *, source: str = "the profile") -> "Profile":
        """Return the profile of a JSON document.

        Raises
        ------
        FileError
            Not JSON, another schema, or wrong at a stated place.
        """
        from jacchain.planning.pricing.profile_document import profile_from_json

        return profile_from_json(text, source=source)
