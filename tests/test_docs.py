"""The pages that are made from tables are current."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from jacchain.model.numpy_functions import FUNCTIONS
from jacchain.model.scipy_functions import SCIPY_FUNCTIONS

DOCS = Path(__file__).parents[1] / "docs"


def supported() -> ModuleType:
    specification = spec_from_file_location("supported", DOCS / "supported.py")
    assert specification is not None
    assert specification.loader is not None
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.skipif(not hasattr(np, "matvec"), reason="the page is made with a NumPy that has all functions")
def test_the_page_of_supported_functions_is_what_the_tables_say():
    made = supported()
    page = made.PAGE.read_text(encoding="utf-8")
    assert made.page(page) == page, "run python docs/supported.py"


def test_every_supported_function_is_on_the_page():
    page = supported().PAGE.read_text(encoding="utf-8")
    names = {function.__name__ for function in FUNCTIONS} | set(SCIPY_FUNCTIONS)
    assert not {name for name in names if f"`{name}`" not in page and f".{name}`" not in page}
