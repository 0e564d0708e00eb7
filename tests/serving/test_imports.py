"""The storefront's workers stay light."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"feast", "pandas", "sklearn", "implicit", "pyspark", "pyarrow", "scipy", "deltalake", "duckdb"}


@pytest.mark.parametrize("module", ["serving.decisions", "transactional.app"])
def test_importing_loads_nothing_heavy(module):
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
    assert HEAVY & set(loaded) == set()
    assert "numpy" in loaded


def test_scoring_uses_one_thread():
    code = "import serving, os; print(os.environ['OPENBLAS_NUM_THREADS'])"
    assert (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "1"
    )
