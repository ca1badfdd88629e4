"""The figures of the project, measured as ratios to hand-written twins. Run: python tests/benchmarks/run.py."""
