"""What the lake writer takes from the bus: nothing twice, nothing behind a gap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lakefront.bus import CLICKS, COMMERCE, Entry
from pipelines.streaming.intake import Intake

PLACES = {(stream, partition): 0 for stream in (COMMERCE, CLICKS) for partition in range(2)}


def outbox(first: int, last: int, offset: int = 0) -> Entry:
    """A pack of the relay: each line is its own position."""
    payload = b"\n".join(b"%d" % position for position in range(first, last + 1))
    return Entry(COMMERCE, 0, offset or first * 128, payload, last - first + 1, first)


def clicks(offset: int, *lines: bytes, replay_for: str = "") -> Entry:
    return Entry(CLICKS, 1, offset, b"\n".join(lines), len(lines), None, replay_for)


def taken(intake: Intake) -> list[int]:
    """Positions taken, checked against the offsets that they got."""
    positions = []
    for part in intake.waiting:
        for place, line in enumerate(part.lines):
            assert int(line) == part.offset + place
            positions.append(int(line))
    return positions


def test_positions_that_bronze_has_are_passed_over() -> None:
    intake = Intake(PLACES | {(COMMERCE, 0): 5})
    intake.take([outbox(1, 3), outbox(4, 8), outbox(9, 9)])
    assert taken(intake) == [6, 7, 8, 9]
    assert intake.reached[COMMERCE, 0] == 9
    assert intake.gaps == {}


def test_packs_sent_again_are_not_taken_again() -> None:
    intake = Intake(PLACES)
    intake.take([outbox(1, 3), outbox(1, 3), outbox(2, 5)])
    intake.take([outbox(1, 5), outbox(6, 6)])
    assert taken(intake) == [1, 2, 3, 4, 5, 6]


def test_what_lies_behind_a_gap_is_held_back_until_it_is_sent_again() -> None:
    intake = Intake(PLACES)
    intake.take([outbox(1, 2), outbox(5, 6, offset=1280)])
    assert taken(intake) == [1, 2]
    assert intake.gaps == {0: 2}
    intake.take([outbox(7, 7, offset=1408)])
    assert taken(intake) == [1, 2]
    assert intake.gaps == {0: 2}
    intake.take([outbox(3, 6, offset=1536), outbox(7, 7, offset=1664)])
    assert taken(intake) == [1, 2, 3, 4, 5, 6, 7]
    assert intake.gaps == {}
    assert intake.read[COMMERCE, 0] == 1664


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 6)), max_size=40), st.integers(0, 10))
def test_any_order_and_repetition_gives_one_run_without_gaps(packs: list[tuple[int, int]], committed: int) -> None:
    intake = Intake(PLACES | {(COMMERCE, 0): committed})
    for number, (first, more) in enumerate(packs, 1):
        intake.take([outbox(first, first + more, offset=number * 128)])
    positions = taken(intake)
    assert positions == list(range(committed + 1, committed + 1 + len(positions)))
    assert intake.reached[COMMERCE, 0] == committed + len(positions)
    assert intake.events == len(positions)


def test_clicks_go_by_offset_and_begin_behind_what_bronze_has() -> None:
    intake = Intake(PLACES | {(CLICKS, 1): 256})
    assert intake.read[CLICKS, 1] == 256
    intake.take([clicks(128, b"a"), clicks(256, b"b"), clicks(384, b"c", b"d")])
    assert [(part.offset, part.lines) for part in intake.waiting] == [(384, [b"c", b"d"])]
    assert intake.reached[CLICKS, 1] == 384


def test_letters_replayed_for_another_consumer_are_passed_over() -> None:
    intake = Intake(PLACES)
    intake.take([clicks(128, b"a", replay_for="feature-writer"), clicks(256, b"b", replay_for="lake-writer")])
    assert [part.lines for part in intake.waiting] == [[b"b"]]
    assert intake.reached[CLICKS, 1] == 256


def test_what_is_no_pack_of_the_relay_is_refused_and_the_rest_goes_on() -> None:
    intake = Intake(PLACES)
    without_position = Entry(COMMERCE, 0, 128, b"{}", 1)
    wrong_count = Entry(COMMERCE, 0, 256, b"1\n2", 3, 1)
    intake.take([without_position, wrong_count, outbox(1, 1, offset=384)])
    assert [(line.offset, line.payload) for line in intake.bad] == [(128, b"{}"), (256, b"1\n2")]
    assert taken(intake) == [1]


def test_a_pack_with_more_lines_than_an_offset_has_room_for_is_refused() -> None:
    intake = Intake(PLACES)
    intake.take([clicks(128, *[b"{}"] * 129)])
    assert intake.waiting == []
    assert [line.offset for line in intake.bad] == [128]
