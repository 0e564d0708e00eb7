"""Errors that any command may meet before it does anything, in words instead of a traceback."""

from __future__ import annotations

import os

from pydantic import ValidationError

from lakefront.settings import Settings, data_folder


def in_words(error: Exception) -> str | None:
    """What is wrong and what to do; None for an error that only a traceback explains."""
    if isinstance(error, ValidationError) and error.title in _names_of_settings():
        return "\n".join(
            _setting(str(one["loc"][0]), one["msg"]) for one in error.errors(include_input=False) if one["loc"]
        )
    if isinstance(error, OSError) and error.filename and str(error.filename).startswith(str(data_folder())):
        return f"the data folder {data_folder()} cannot be used ({error.strerror}): set LAKEFRONT_HOME to a folder of yours"
    return None


def _setting(name: str, said: str) -> str:
    """Values are shown where the environment gave them, not from runtime.json, which holds passwords."""
    wanted = said.replace("Input", "it", 1)  # as pydantic says it: "Input should be a valid integer"
    variable = f"LAKEFRONT_{name.upper()}"
    if (value := os.environ.get(variable)) is not None:
        return f"{variable} is {value!r}, but {wanted}"
    file = data_folder() / "runtime.json"
    return f"{name} in {file} cannot be used, since {wanted}; `lakefront up` writes that file anew"


def _names_of_settings() -> set[str]:
    """Settings are read by subclasses, too, which leave out a source."""
    return {Settings.__name__, *(each.__name__ for each in Settings.__subclasses__())}
