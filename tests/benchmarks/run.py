"""Prints every figure as a ratio to hand-written NumPy in the same process: python tests/benchmarks/run.py --help."""

import sys
from pathlib import Path


def main() -> None:
    """Limit the threads first, since NumPy reads that limit when it is loaded; then measure."""
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from benchmarks.options import parse
    from benchmarks.threads import limit

    options = parse(sys.argv[1:])
    limit(options.threads)
    from benchmarks.report import print_report

    print_report(options)


if __name__ == "__main__":
    main()
