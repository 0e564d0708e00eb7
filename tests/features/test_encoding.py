"""Feast's encoding by itself, on whatever values there may be."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakefront.feast_encoding import ENCODERS, decode, decode_time, encode_time

texts = st.text(max_size=300)
numbers = st.floats(allow_nan=False)
singles = numbers.filter(lambda value: abs(value) < 1e38).map(
    lambda value: struct.unpack("f", struct.pack("f", value))[0]
)


@given(texts)
def test_strings(value):
    assert decode(ENCODERS["string"](value)) == value


@given(numbers)
def test_doubles(value):
    assert decode(ENCODERS["double"](value)) == value


@given(st.one_of(st.lists(texts, max_size=60), st.lists(st.text("ab", min_size=2, max_size=2)), st.lists(st.just(""))))
def test_lists_of_strings(values):
    assert decode(ENCODERS["strings"](values)) == values


@given(st.lists(numbers, max_size=60))
def test_lists_of_doubles(values):
    assert decode(ENCODERS["doubles"](values)) == values


@given(st.lists(singles, max_size=200))
def test_lists_of_floats(values):
    assert decode(ENCODERS["floats"](values)) == values


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)))
def test_times(value):
    moment = value.replace(tzinfo=UTC)
    assert decode_time(encode_time(moment)) == moment


@pytest.mark.parametrize("encoded", [None, b"", b"\x98\x01\x00"])
def test_nothing_is_none(encoded):
    assert decode(encoded) is None


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        (b"\x20\x05", 5), (b"\x20" + b"\xff" * 9 + b"\x01", -1), (b"\x38\x01", True), (b"\x35\x00\x00\x80\x3f", 1.0),
        (b"\x72\x0d\x0a\x0b\x01" + b"\xff" * 9 + b"\x01", [1, -1]),
    ],
)  # fmt: skip
def test_types_that_only_feast_writes(encoded, value):
    assert decode(encoded) == value
