"""What every test stands on: the shared oracles, skipped visibly where they are absent, and strict arithmetic."""

from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(autouse=True)
def _strict_arithmetic():
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the shared oracles are not beside this checkout")
    return SHARED
