"""The fraud model as the storefront's workers load it: LightGBM's C library by ctypes, one thread.

LightGBM's Python package brings pandas and scikit-learn into the process (4 s, 190 MB a worker); its shared library alone
answers in the same way. Contributions are exact SHAP values (Lundberg et al. 2018).
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import math
import sys
import threading
from collections.abc import Mapping, Sequence
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int64, c_void_p
from functools import lru_cache
from pathlib import Path

from models.fraud.rules import action, composite, rules_score

__all__ = ["FraudModel", "LightGBMUnavailable", "action", "composite", "rules_score"]

_FLOAT64 = 1
_RAW_SCORE, _CONTRIBUTIONS = 1, 3


class LightGBMUnavailable(RuntimeError):
    """LightGBM's shared library is not installed or cannot be loaded."""


class FraudModel:
    """Scores one order. Safe to use from several threads: LightGBM's own single-row buffers are guarded by a lock."""

    def __init__(self, model_text: str, features: Sequence[str], slope: float, intercept: float) -> None:
        self.features = tuple(features)
        self._slope, self._intercept = slope, intercept
        self._library = _library()
        self._lock = threading.Lock()
        self._booster = c_void_p()
        rounds = c_int()
        self._check(
            self._library.LGBM_BoosterLoadModelFromString(model_text.encode(), byref(rounds), byref(self._booster))
        )
        columns = c_int()
        self._check(self._library.LGBM_BoosterGetNumFeature(self._booster, byref(columns)))
        if columns.value != len(self.features):
            raise ValueError(f"the booster has {columns.value} columns, its description {len(self.features)} features")
        self._raw = self._prepare(_RAW_SCORE)
        self._contributions = self._prepare(_CONTRIBUTIONS)

    @classmethod
    def load(cls, folder: Path) -> FraudModel:
        """Load a published version. Raises LightGBMUnavailable."""
        about = json.loads((folder / "model.json").read_text())
        return cls((folder / "booster.txt").read_text(), about["features"], about["slope"], about["intercept"])

    def score(self, features: Mapping[str, float | None]) -> float:
        """Calibrated probability of fraud; a feature that is None or absent is missing to the model."""
        raw = self._predict(self._raw, features, 1)[0]
        return 1.0 / (1.0 + math.exp(-(self._slope * raw + self._intercept)))

    def reasons(self, features: Mapping[str, float | None], top: int = 3) -> list[str]:
        """The features that raised the score most, strongest first; none where nothing raised it."""
        raised = sorted(
            ((share, name) for name, share in self.contributions(features).items() if share > 0), reverse=True
        )
        return [name for _, name in raised[:top]]

    def contributions(self, features: Mapping[str, float | None]) -> dict[str, float]:
        """Exact share of every feature in the raw score (log odds), against the mean of the training data."""
        shares = self._predict(self._contributions, features, len(self.features) + 1)
        return dict(zip(self.features, shares, strict=False))

    def _prepare(self, kind: int) -> c_void_p:
        fast = c_void_p()
        self._check(
            self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._booster, c_int(kind), c_int(0), c_int(-1), c_int(_FLOAT64), c_int(len(self.features)),
                b"num_threads=1 verbosity=-1", byref(fast),
            )
        )  # fmt: skip
        return fast

    def _predict(self, fast: c_void_p, features: Mapping[str, float | None], size: int) -> list[float]:
        values = [features.get(name) for name in self.features]
        row = (c_double * len(values))(*[math.nan if value is None else value for value in values])
        answer = (c_double * size)()
        length = c_int64()
        with self._lock:
            code = self._library.LGBM_BoosterPredictForMatSingleRowFast(fast, row, byref(length), answer)
        self._check(code)
        if length.value != size:
            raise RuntimeError(f"LightGBM answered {length.value} numbers, not {size}")
        return list(answer)

    def _check(self, code: int) -> None:
        if code != 0:
            raise RuntimeError(f"LightGBM: {self._library.LGBM_GetLastError().decode()}")

    def __del__(self) -> None:
        library = getattr(self, "_library", None)
        if library is None:
            return
        for name in ("_raw", "_contributions"):
            if getattr(self, name, None):
                library.LGBM_FastConfigFree(getattr(self, name))
        if getattr(self, "_booster", None):
            library.LGBM_BoosterFree(self._booster)


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    """LightGBM's shared library, found without importing the package."""
    spec = importlib.util.find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise LightGBMUnavailable("the package lightgbm is not installed; fraud is assessed without the model")
    name = {"darwin": "lib_lightgbm.dylib", "win32": "lib_lightgbm.dll"}.get(sys.platform, "lib_lightgbm.so")
    folder = Path(spec.origin).parent
    path = next((place for place in (folder / "lib" / name, folder / name) if place.exists()), None)
    if path is None:
        raise LightGBMUnavailable(f"{name} is not in {folder}; fraud is assessed without the model")
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise LightGBMUnavailable(f"{path} cannot be loaded ({error}); on slim images install libgomp1") from error
    library.LGBM_GetLastError.restype = c_char_p
    library.LGBM_BoosterLoadModelFromString.argtypes = [c_char_p, POINTER(c_int), POINTER(c_void_p)]
    library.LGBM_BoosterPredictForMatSingleRowFast.argtypes = [c_void_p, c_void_p, POINTER(c_int64), c_void_p]
    library.LGBM_BoosterGetNumFeature.argtypes = [c_void_p, POINTER(c_int)]
    library.LGBM_FastConfigFree.argtypes = [c_void_p]
    library.LGBM_BoosterFree.argtypes = [c_void_p]
    return library
