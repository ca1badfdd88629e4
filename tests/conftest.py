"""Settings for the whole suite: Hypothesis without deadlines (the machine may be shared), deterministic."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile(
    "jacchain", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("jacchain")


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command line in this process; returns (exit code, standard output, standard error)."""
    monkeypatch.setattr("jacchain.workloads.race._rounds", lambda _seconds: range(2))  # times are not looked at here

    def run(*arguments):
        from jacchain import cli

        monkeypatch.setattr(sys, "argv", ["jacchain", *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run
