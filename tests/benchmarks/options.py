"""What the command line may ask for."""

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

NAMES = (
    "wine-16",
    "wine-1024",
    "weights-16",
    "weights-1024",
    "wine-hessian",
    "autoencoder-784",
    "autoencoder-2048",
    "batch-autoencoder",
    "batch-wine",
    "batch-function-loss",
    "batch-function-hessian",
    "chain-multiply",
    "chain-plan",
    "chain-calibrated",
    "autoencoder-784-calibrated",
    "autoencoder-2048-calibrated",
    "seconds",
    "predicted",
    "plan-dense",
    "plan-structured",
    "schedule-published",
    "search-published",
    "schedule-threads",
    "plan-matrix-free",
    "plan-long",
    "trace",
    "blocks-all",
    "blocks-two",
    "lorenz96",
    "burgers",
    "card-float32",
    "card-float64",
    "process",
    "arm-point",
    "roe-point",
    "arm-float64",
    "arm-float32",
    "roe-float64",
    "roe-float32",
    "lagrangian-rosenbrock",
    "lagrangian-cartpole",
    "lagrangian-hs071",
    "lagrangian-growth",
    "lagrangian-solve",
)
"""All rows, in the order in which they are printed."""

EXAMPLES = """examples:
  python tests/benchmarks/run.py
  python tests/benchmarks/run.py --threads 1 --seconds 20 --only autoencoder
  python tests/benchmarks/run.py --only plan-dense --plot growth.png --json figures.json

rows:
  """


class Options(NamedTuple):
    """The parsed command line."""

    seconds: float
    makes: int
    threads: int | None
    names: tuple[str, ...]
    peers: bool
    json: Path | None
    plot: Path | None
    published: Path | None
    graphs: Path | None


def parse(arguments: Sequence[str], /) -> Options:
    """Parse the command line; exits with a message where it is wrong."""
    parser = ArgumentParser(
        prog="run.py",
        description="Measure jacchain against hand-written NumPy and other libraries; nothing here can fail a test.",
        epilog=EXAMPLES + "\n  ".join(NAMES),
        formatter_class=RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seconds", type=_positive, default=6.0, help="time for each row (default 6; at least 12 rounds are run)")
    add("--makes", type=int, default=3, metavar="N", help="times each row is made anew, buffers and all (default 3)")
    add("--threads", type=int, metavar="N", help="threads of BLAS, jax and torch (default: as the libraries choose)")
    add("--only", action="append", metavar="NAME", help="rows whose name begins so; may be repeated")
    add("--no-peers", action="store_true", help="leave jax, torch, numba and CasADi out")
    add("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    add("--plot", type=Path, metavar="FILE", help="also plot the growth of planning (needs matplotlib)")
    add("--published", type=Path, metavar="FILE", help="published chains with their optimal makespans")
    add("--graphs", type=Path, metavar="FILE", help="published expression graphs with their elimination counts")
    found = parser.parse_args(arguments)
    for path in (found.published, found.graphs):
        if path is not None and not path.is_file():
            parser.error(f"there is no file {path}")
    wanted = tuple(found.only or [""])
    names = tuple(name for name in NAMES if name.startswith(wanted))
    if not names:
        parser.error(f"no row begins with {' or '.join(wanted)}; rows: {', '.join(NAMES)}")
    if min(found.makes, 1 if found.threads is None else found.threads) < 1:
        parser.error("--threads and --makes take numbers of at least 1")
    return Options(
        found.seconds,
        found.makes,
        found.threads,
        names,
        not found.no_peers,
        found.json,
        found.plot,
        found.published,
        found.graphs,
    )


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise ArgumentTypeError("give a number above 0")
    return value
