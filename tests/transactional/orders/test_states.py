"""The order's state machine: every walk that it allows can be replayed from its history, and nothing else is
allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transactional.orders.states import CANCELLABLE, MOVES, IllegalMove, check_move, project

CHANGED = "commerce.order.status_changed.v1"
WISHES = st.lists(st.sampled_from(sorted(MOVES)), max_size=30)


def walk(wishes: list[str]) -> tuple[str, list[tuple[str, dict[str, object]]]]:
    """Follow the wishes that are legal; the history that this leaves behind."""
    status, history = "pending", [("commerce.order.placed.v1", {})]
    for wish in wishes:
        try:
            check_move(status, wish)
        except IllegalMove:
            assert wish not in MOVES[status]
            continue
        history.append((CHANGED, {"previous": status, "status": wish}))
        status = wish
    return status, history


@given(WISHES)
def test_a_history_leads_to_the_status(wishes):
    status, history = walk(wishes)
    assert project(history) == status


@given(WISHES, st.data())
def test_a_history_with_a_gap_is_noticed(wishes, data):
    _, history = walk(wishes)
    if len(history) < 3:
        return
    del history[data.draw(st.integers(1, len(history) - 2))]
    with pytest.raises(IllegalMove):
        project(history)


@given(WISHES)
def test_what_has_ended_stays_ended(wishes):
    status, _ = walk(wishes)
    if status in ("cancelled", "delivered"):
        assert all(status == ended for ended, _ in [walk(wishes)]) and not MOVES[status]


def test_what_may_be_cancelled_can_be():
    assert all("cancelled" in MOVES[status] for status in CANCELLABLE)
    assert "cancelled" not in MOVES["shipped"] and "cancelled" not in MOVES["delivered"]
