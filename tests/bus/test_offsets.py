"""Redis stream ids as integers, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakefront.bus.offsets import EPOCH_MS, OffsetError, offset_at, offset_of, pack_offset, stream_id

moments = st.integers(EPOCH_MS, EPOCH_MS + 2**42 - 1)
numbers = st.integers(0, 2**14 - 1)


@given(moments, numbers, st.integers(0, 127))
def test_an_offset_finds_its_way_back(ms: int, n: int, place: int) -> None:
    offset = offset_of(f"{ms}-{n}".encode())
    assert 0 <= offset < 2**63
    assert pack_offset(offset + place) == offset
    if offset:
        assert stream_id(offset + place) == f"{ms}-{n}"


@given(st.tuples(moments, numbers), st.tuples(moments, numbers))
def test_offsets_order_as_ids_do(one: tuple[int, int], other: tuple[int, int]) -> None:
    offsets = [offset_of(f"{ms}-{n}".encode()) for ms, n in (one, other)]
    assert (offsets[0] < offsets[1]) == (one < other)


@given(moments, numbers)
def test_offset_at_is_not_above_what_is_published_then(ms: int, n: int) -> None:
    assert offset_at(ms) <= offset_of(f"{ms}-{n}".encode()) < offset_at(ms + 1)


@pytest.mark.parametrize("bad", [f"{EPOCH_MS}-{2**14}", f"{EPOCH_MS - 1}-0"])
def test_what_does_not_fit_is_refused(bad: str) -> None:
    with pytest.raises(OffsetError, match="does not fit"):
        offset_of(bad.encode())


def test_nothing_read_yet_is_the_beginning() -> None:
    assert stream_id(0) == "0-0"
