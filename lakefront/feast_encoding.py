"""Feast's encoding of the Redis online store, without Feast: importing it costs seconds and 180 MB a process.

What Feast 0.67 does, and a contract test holds this page to: one Redis hash per entity, whose key is the serialized
entity key (version 3) followed by the project's name; in it a field per feature, named by the murmur3 hash of
``view:feature``, with a ``feast.types.Value`` message, and per view a field ``_ts:view`` with the event time as a
protobuf Timestamp.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import mmh3

PROJECT = "lakefront"
_STRING_TYPE = 2  # feast.types.ValueType.STRING

# Field tags of feast.types.Value: (field number << 3) | wire type.
_STRING, _INT64, _DOUBLE, _FLOAT, _BOOL = 0x12, 0x20, 0x29, 0x35, 0x38
_STRING_LIST, _INT64_LIST, _DOUBLE_LIST, _FLOAT_LIST, _NULL = 0x62, 0x72, 0x7A, 0x82, 0x98
_NUMBERS = frozenset((_INT64, _DOUBLE, _FLOAT, _BOOL))
_PACKED = 0x0A  # field 1 of the list messages, length-delimited


class EncodingError(ValueError):
    """A value is not what Feast writes for the types in use."""


def entity_key(join_key: str, value: str) -> bytes:
    """Redis key of an entity's hash."""
    return b"".join((_key_head(join_key), struct.pack("<I", len(value.encode())), value.encode(), PROJECT.encode()))


@lru_cache(maxsize=64)
def _key_head(join_key: str) -> bytes:
    name = join_key.encode()
    return struct.pack("<III", 1, _STRING_TYPE, len(name)) + name + struct.pack("<I", _STRING_TYPE)


@lru_cache(maxsize=1024)
def feature_field(view: str, feature: str) -> bytes:
    """Field of a feature in the entity's hash."""
    return struct.pack("<I", mmh3.hash(f"{view}:{feature}", signed=False))


@lru_cache(maxsize=64)
def time_field(view: str) -> bytes:
    """Field of a view's event time in the entity's hash."""
    return f"_ts:{view}".encode()


def encode_time(moment: datetime) -> bytes:
    """google.protobuf.Timestamp."""
    seconds = int(moment.replace(microsecond=0).timestamp())
    encoded = b"\x08" + _varint(seconds) if seconds else b""
    return encoded + (b"\x10" + _varint(moment.microsecond * 1000) if moment.microsecond else b"")


def decode_time(encoded: bytes) -> datetime:
    """Read a google.protobuf.Timestamp, to the microsecond."""
    seconds, nanos, place = 0, 0, 0
    while place < len(encoded):
        tag = encoded[place]
        number, place = _read_varint(encoded, place + 1)
        if tag == 0x08:
            seconds = number
        elif tag == 0x10:
            nanos = number
        else:
            raise EncodingError(f"not a timestamp: {encoded!r}")
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000)


def encode_string(value: str) -> bytes:
    text = value.encode()
    return b"\x12" + _varint(len(text)) + text


def encode_double(value: float) -> bytes:
    return b"\x29" + struct.pack("<d", value)


def encode_strings(values: Sequence[str]) -> bytes:
    texts = [value.encode() for value in values]
    return _message(b"\x62", b"".join(b"\x0a" + _varint(len(text)) + text for text in texts))


def encode_doubles(values: Sequence[float]) -> bytes:
    return _message(b"\x7a", _packed(struct.pack(f"<{len(values)}d", *values)))


def encode_floats(values: Sequence[float]) -> bytes:
    return _message(b"\x82\x01", _packed(struct.pack(f"<{len(values)}f", *values)))


ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "string": encode_string,
    "double": encode_double,
    "strings": encode_strings,
    "doubles": encode_doubles,
    "floats": encode_floats,
}
"""How a value of each type of ``features.definitions`` is written."""


def decode(encoded: bytes | None) -> Any:
    """A feature's value: str, float, int, bool or a list of them; None where nothing was written. Raises
    EncodingError."""
    if not encoded or encoded[0] == _NULL:
        return None
    try:
        return _number(encoded) if encoded[0] in _NUMBERS else _text_or_list(encoded)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise EncodingError(f"not a value as Feast writes it: {encoded[:40]!r}") from error


def _number(encoded: bytes) -> float | int | bool:
    tag = encoded[0]
    if tag == _DOUBLE:
        return float(struct.unpack_from("<d", encoded, 1)[0])
    if tag == _FLOAT:
        return float(struct.unpack_from("<f", encoded, 1)[0])
    number = _read_varint(encoded, 1)[0]
    return bool(number) if tag == _BOOL else _signed(number)


def _text_or_list(encoded: bytes) -> Any:
    tag = encoded[0]
    length, start = _read_varint(encoded, 2 if tag == _FLOAT_LIST else 1)
    if start + length != len(encoded):
        raise EncodingError(f"{len(encoded)} bytes, not {start + length}")
    if tag == _STRING:
        return encoded[start:].decode()
    return _strings(encoded, start) if tag == _STRING_LIST else _numbers(encoded, start, tag)


def _strings(encoded: bytes, place: int) -> list[str]:
    alike = _strings_of_one_length(encoded, place)
    if alike is not None:
        return alike
    values = []
    while place < len(encoded):
        if encoded[place] != _PACKED:
            raise EncodingError(f"not a list of strings: {encoded[:40]!r}")
        length, place = _read_varint(encoded, place + 1)
        values.append(encoded[place : place + length].decode())
        place += length
    return values


def _strings_of_one_length(encoded: bytes, place: int) -> list[str] | None:
    """Lists of ids, five times as fast: short ASCII strings of one length; None for any other list."""
    size = len(encoded) - place
    if size < 2 or encoded[place + 1] >= 0x80:
        return None
    length = encoded[place + 1]
    stride = length + 2
    count = size // stride
    heads, lengths = encoded[place::stride], encoded[place + 1 :: stride]
    if count * stride != size or heads.count(_PACKED) != count or lengths.count(length) != count:
        return None
    body = encoded[place:]
    if not body.isascii():
        return None
    text = body.decode("ascii")
    return [text[start : start + length] for start in range(2, size + 1, stride)]


def _numbers(encoded: bytes, start: int, tag: int) -> list[float] | list[int]:
    if start == len(encoded):
        return []
    if encoded[start] != _PACKED:
        raise EncodingError(f"unknown tag {tag:#x} or list not packed: {encoded[:40]!r}")
    length, start = _read_varint(encoded, start + 1)
    if tag == _DOUBLE_LIST:
        return list(struct.unpack_from(f"<{length // 8}d", encoded, start))
    if tag == _FLOAT_LIST:
        return list(struct.unpack_from(f"<{length // 4}f", encoded, start))
    if tag == _INT64_LIST:
        numbers = []
        while start < len(encoded):
            number, start = _read_varint(encoded, start)
            numbers.append(_signed(number))
        return numbers
    raise EncodingError(f"type with the tag {tag:#x} is not in use")


def _signed(number: int) -> int:
    """A varint holds a negative number as its two's complement in 64 bits."""
    return number - (1 << 64) * (number >> 63)


def _message(tag: bytes, body: bytes) -> bytes:
    return tag + _varint(len(body)) + body


def _packed(body: bytes) -> bytes:
    return _message(b"\x0a", body) if body else b""


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _read_varint(encoded: bytes, place: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    byte = encoded[place]
    if byte < 0x80:
        return byte, place + 1
    number, shift = byte & 0x7F, 7
    while True:
        place += 1
        byte = encoded[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place + 1
        shift += 7
