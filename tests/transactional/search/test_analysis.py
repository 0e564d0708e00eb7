"""Synonyms and edit distances, by themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transactional.search.analysis import Synonyms
from transactional.search.corrections import _one_edit, is_within
from transactional.search.index import weight


def test_the_longest_known_phrase_is_one_unit_and_stands_first_among_its_names() -> None:
    synonyms = Synonyms(["cell phone, Mobile", "macbook => mac laptop", "# a comment", "", "tv, telly  # here too"])
    units = list(synonyms.units(["new", "cell", "phone", "tv", "macbook", "mac"]))
    assert units == [
        [("new",)],
        [("cell", "phone"), ("mobile",)],
        [("tv",), ("telly",)],
        [("macbook",), ("mac", "laptop")],
        [("mac",)],
    ]


def test_the_synonyms_that_come_with_the_shop_can_be_read() -> None:
    assert list(Synonyms.load().units(["television"])) == [[("television",), ("tv",), ("telly",), ("hdtv",)]]


@given(st.text("abc", min_size=1, max_size=5))
def test_every_word_one_edit_away_is_within_one_edit(word: str) -> None:
    others = set(_one_edit(word))
    assert word not in others
    assert all(is_within(word, other, 1) and is_within(other, word, 1) for other in others)


def test_two_edits_are_not_one_and_a_swap_is_a_single_edit() -> None:
    assert is_within("kettle", "ketlte", 1)
    assert not is_within("kettle", "kitle", 1)
    assert is_within("kettle", "kitle", 2)
    assert not is_within("kettle", "cattle", 1)
    assert is_within("termomeeter", "thermometer", 2)


def test_a_product_that_is_gone_weighs_less_than_one_that_never_sold() -> None:
    assert weight(0, True) == 1.0
    assert weight(0, False) == 0.5
    assert weight(1, True) == 1.2
    assert weight(10**9, True) == weight(2**16, True)
