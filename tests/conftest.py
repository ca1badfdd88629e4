"""Settings for the whole suite: Hypothesis without deadlines (the machine may be shared), deterministic."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile(
    "jacchain", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("jacchain")


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        choices=["cpu", "strict", "cuda"],
        default="cpu",
        help="where device='auto' works with NumPy arrays: here, on a stand-in for CUDA, or on CUDA",
    )


def pytest_configure(config):
    # a developer's own profile is no part of the tests; matplotlib keeps what it knows of fonts there
    os.environ["XDG_CACHE_HOME"] = str(config.rootpath / ".pytest_cache" / "caches")
    os.environ.pop("JACCHAIN_PROFILE", None)
    if (kind := config.getoption("--device")) != "cpu":
        import strict_device

        from jacchain.execution import backend

        strict_device.install()
        backend.AUTOMATIC[0] = backend.Device(kind)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--device") == "cpu":
        return
    for item in items:
        if "[dawsn" in item.name:
            item.add_marker(pytest.mark.skip(reason="CUDA has no Dawson function, and says so"))
        if item.path.suffix == ".md":
            item.add_marker(pytest.mark.skip(reason="pages show programs, counts and bytes of the host"))
        for mark in item.iter_markers("host"):
            item.add_marker(pytest.mark.skip(reason=f"for the host only: {mark.kwargs['reason']}"))


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
