"""What can go wrong in training, in words that a pipeline can show and go on without that model."""

from __future__ import annotations


class TooLittleData(ValueError):
    """There is not enough data to train or to measure a model; the message says what is missing."""

    def __init__(self, model: str, missing: str) -> None:
        super().__init__(f"{model}: too little data: {missing}")
        self.model = model
        self.missing = missing
