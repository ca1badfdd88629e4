"""The house: imports point one way, slow modules load late, public names stay few."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jacchain

PACKAGE = Path(jacchain.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = [
    *("errors", "algebra", "planning", "execution", "model", "prepared", "compiled", "products", "batches"),
    *("compositions", "functions", "blocks", "lagrangian", "derivatives", "directional", "hessians"),
    *("workloads", "interop", "report", "cli"),
]
"""In the order in which imports may point: each room imports from itself and from those before it."""

FACADES = {"layers": "model", "kinks": "model", "__init__": "cli", "__main__": "cli"}
"""Modules outside the rooms that only hand on names, and the last room they may reach."""


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return FACADES.get(parts[0], parts[0])


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{path}: relative import")
    return {name for name in found if name.split(".")[0] == "jacchain"}


def test_imports_point_one_way():
    for path in FILES:
        here = ROOMS.index(room(path))
        for name in imported(path):
            parts = name.split(".")
            if parts[1:2] and (parts[1] in ROOMS or parts[1] in FACADES):
                there = ROOMS.index(FACADES.get(parts[1], parts[1]))
                assert there <= here, f"{path} imports {name}"


def test_files_and_functions_stay_small():
    for path in FILES:
        text = path.read_text()
        assert text.count("\n") <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = node.end_lineno - (
                    node.body[1].lineno if len(node.body) > 1 and ast.get_docstring(node) else node.body[0].lineno
                )
                assert body <= 40, f"{node.name} in {path} has {body} lines"


def test_only_the_backend_names_cupy():
    assert {path.name for path in FILES if "cupy" in path.read_text()} == {"backend.py"}


def loaded_after(code: str) -> set[str]:
    listing = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(listing.stdout.split())


def test_importing_loads_nothing_slow():
    assert not loaded_after("import jacchain") & {"numpy", "scipy", "cupy", "matplotlib", "click", "rich", "msgspec"}


def test_planning_on_sizes_needs_neither_numpy_nor_scipy():
    code = "import jacchain as jc\nassert jc.plan([13, 16, 1]).flops == 208"
    assert not loaded_after(code) & {"numpy", "scipy", "click", "rich", "matplotlib"}


@pytest.mark.parametrize("order", ["1", "2"])
def test_planning_on_the_command_line_loads_no_numpy_and_nothing_of_order_2_unless_asked_for(order):
    code = f"import sys\nsys.argv = ['jacchain', 'plan', '--dims', '13,16,1', '--order', '{order}']\n"
    loaded = loaded_after(f"{code}from jacchain import cli\ncli.main()")
    assert "jacchain.cli.run" in loaded
    assert not loaded & {"numpy", "scipy", "matplotlib"}
    assert any(name.startswith("jacchain.planning.second") for name in loaded) == (order == "2")


def test_the_front_door_loads_no_optimiser():
    code = "import jacchain as jc\njc.jacobian(jc.layers.Tanh())([1.0])"
    assert not loaded_after(code) & {"scipy.optimize", "scipy.sparse", "cupy", "matplotlib", "click"}


def test_public_names_are_few_and_all_there():
    assert len(jacchain.__all__) <= 30
    assert set(jacchain.__all__) <= set(dir(jacchain))
    for name in jacchain.__all__:
        assert getattr(jacchain, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        jacchain.nonsense  # noqa: B018  (the access is the test)
