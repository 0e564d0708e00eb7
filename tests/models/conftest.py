"""Where real data for the models' tests stands; tests that need a file skip where it is absent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lakefront.settings import CHECKOUT


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """Path of a real data file below ``LAKEFRONT_TEST_DATA`` (by default ../shared/data beside the checkout)."""
    folder = Path(os.environ.get("LAKEFRONT_TEST_DATA") or CHECKOUT.parent / "shared" / "data")

    def path(name: str) -> Path:
        if not (folder / name).exists():
            pytest.skip(f"{name} is not in {folder}")
        return folder / name

    return path
