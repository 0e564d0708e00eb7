"""A Redis stream id ``ms-n`` as one signed 64-bit integer, and back.

From the top: 42 bits of milliseconds since 2024-01-01 (139 years), 14 bits of n, and 7 bits that stay free for the
place of an envelope in its pack. Integers order as the ids do, so that a Delta application transaction can carry one as
its version.
"""

from __future__ import annotations

EPOCH_MS = 1_704_067_200_000  # 2024-01-01T00:00:00Z
PLACE_BITS = 7
N_BITS = 14
_N_LIMIT = 1 << N_BITS


class OffsetError(ValueError):
    """A stream id that does not fit into an offset."""


def offset_of(redis_id: bytes) -> int:
    """Offset of the pack with this Redis id."""
    ms_text, _, n_text = redis_id.partition(b"-")
    ms, n = int(ms_text) - EPOCH_MS, int(n_text)
    if ms < 0 or n >= _N_LIMIT:
        raise OffsetError(f"{redis_id.decode()} does not fit: before 2024, or over {_N_LIMIT} in a millisecond")
    return (ms << N_BITS | n) << PLACE_BITS


def stream_id(offset: int) -> str:
    """Redis id of the pack that an offset lies in; "0-0" for offsets before the first possible one."""
    if offset <= 0:
        return "0-0"
    whole = offset >> PLACE_BITS
    return f"{(whole >> N_BITS) + EPOCH_MS}-{whole & (_N_LIMIT - 1)}"


def pack_offset(offset: int) -> int:
    """The offset without the place in the pack."""
    return offset >> PLACE_BITS << PLACE_BITS


def offset_at(unix_ms: int) -> int:
    """The smallest offset of a pack published at or after a real time, for keeping entries by their age."""
    return max(0, unix_ms - EPOCH_MS) << (N_BITS + PLACE_BITS)
