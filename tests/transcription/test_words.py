"""No text is lost and all times are valid, whatever words AssemblyAI sends."""

import json
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from transcription import presentation
from transcription.words import (
    bare_word,
    join_words,
    listed_words,
    outer_punctuation,
    words_of_text,
)


def said(text, step=400, **more):
    """Return AssemblyAI's list of these words: one every `step` ms, 300 ms long."""
    parts = text if isinstance(text, list) else text.split()
    return [
        {"text": part, "start": n * step, "end": n * step + 300, **more}
        for n, part in enumerate(parts)
    ]


def read(text, listed, seconds=0.0):
    words = words_of_text(text, listed_words(listed), seconds)
    assert join_words(words) == " ".join(text.split())
    return words


def times(words):
    return [(word.start, word.end) for word in words]


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("one two three four five six", said("one two three")),
        ("one two three four five six", said("four five six")),
        ("one two three four five six", said("one two five six")),
        ("one two three", said("one two two three")),
        ("one two three", said("one other three")),
        ("one two three", said("nothing like it at all")),
        ("It costs $50, really.", said("It costs fifty dollars really.")),
        ("I cannot go.", said("I can not go.")),
        ("They are there, they're.", said("They are there they 're")),
        ("Hello, world!", said(["Hello", ",", "world", "!"])),
        ("Hello, world!", said("Hello world")),
        ("« Bonjour », dit-il.", said("Bonjour dit il")),
        ("the the the the", said("the the")),
        ("我们明天上午有会议。", said(list("我们明天上午有会议。"))),
        ("我们明天上午有会议。", said(list("我们明天有会议"))),
        (
            "明日の午前中に 会議が あります。",
            said(list("明日の午前中に会議があります")),
        ),
        ("สวัสดีครับ คุณหมอ", said(["สวัสดี", "ครับ", "คุณ", "หมอ"])),
        ("Cafe\u0301 au lait", said("Café au lait")),
        ("a\tb\n\nc", said("a b c")),
    ],
)
def test_text_is_complete_for_any_word_list(text, listed):
    words = words_of_text(text, listed_words(listed), 9)

    assert join_words(words) == " ".join(text.split()).replace("e\u0301", "é")
    for before, after in pairwise(words):
        assert before.start <= after.start <= 9000


def test_words_without_times_are_between_their_neighbours():
    listed = [*said("one"), {"text": "six", "start": 2300, "end": 2600}]

    words = read("one two three four five six", listed, 9)

    assert times(words) == [
        (0, 300),
        *((300, 800), (800, 1300), (1300, 1800), (1800, 2300)),
        (2300, 2600),
    ]


def test_words_that_are_written_otherwise_keep_time_speaker_and_confidence():
    listed = said("I can not go.", speaker="B", confidence=0.3)

    words = read("I cannot go.", listed, 9)

    assert times(words) == [(0, 300), (400, 1100), (1200, 1500)]
    assert [word.speaker for word in words] == ["Speaker B"] * 3
    assert [word.confidence for word in words] == [0.3, None, 0.3]


def test_replaced_word_keeps_the_confidence_of_the_original():
    listed = said("take meta daily", confidence=0.2)

    words = read("take metoprolol daily", listed, 9)

    assert [word.confidence for word in words] == [0.2] * 3


def test_words_of_simultaneous_speakers_are_ordered_by_time():
    ada = said("yes of course", speaker="A")
    bob = said("no never ever", speaker="B")
    listed = sorted(ada + bob, key=lambda word: word["start"])

    words = words_of_text("yes of course no never ever", listed_words(listed), 9)

    assert [word.text for word in words] == [word["text"] for word in listed]


@pytest.mark.parametrize("seconds", [0, 6])
@pytest.mark.parametrize("wrong", range(6))
@pytest.mark.parametrize("time", [502_000, 5_900, 0, None, -1, "soon", 10**400])
def test_one_wrong_time_does_not_affect_other_words(seconds, wrong, time):
    text = "one two three. four five six."
    listed = said(text)
    listed[wrong]["start"] = time
    listed[wrong]["end"] = time

    words = read(text, listed, seconds)

    for number, word in enumerate(words):
        if number != wrong:
            assert word.start == number * 400
        elif number < 5:
            assert word.start <= (number + 1) * 400


@pytest.mark.parametrize("end", [502_000, None, 0, float("nan")])
def test_wrong_end_time_is_replaced_by_that_of_a_short_word(end):
    listed = said("one two")
    listed[1]["end"] = end

    assert times(read("one two", listed, 9))[1] == (400, 800)


def test_word_times_are_limited_to_the_audio_length():
    words = read("a b c", [*said("a b"), {"text": "c", "start": 5800, "end": 7000}], 5)

    assert times(words) == [(0, 300), (400, 700), (5000, 5000)]


@pytest.mark.parametrize(
    "odd",
    [None, "", "soon", -1, True, [], {}, float("nan"), float("inf"), 1e300, 10**400],
)
def test_numbers_that_are_missing_or_odd_are_estimated(odd):
    listed = said("a b c")
    listed[1] |= {"start": odd, "end": odd, "confidence": odd}

    words = read("a b c", listed)

    assert times(words) == [(0, 300), (300, 800), (800, 1100)]
    assert words[1].confidence is None
    json.dumps(presentation.player_data(words), allow_nan=False)


@pytest.mark.parametrize(
    "listed",
    [None, "words", {}, [None, 3, "x", [], {}, {"text": None}, {"text": " "}]],
)
def test_invalid_words_are_ignored(listed):
    assert listed_words(listed) == []


def test_a_text_without_any_times_is_spread_over_the_audio():
    assert times(read("a b c", [], 9)) == [(0, 3000), (3000, 6000), (6000, 9000)]


letters = st.sampled_from(["a", "of", "it,", "no.", "会", "议", "ครับ", "é", "—", "x-y"])


@hypothesis(max_examples=100, deadline=None)
@given(st.lists(letters, max_size=40), st.randoms(use_true_random=False))
def test_any_text_comes_out_whole_and_in_order(parts, chance):
    text = "".join(part + chance.choice(["", " "]) for part in parts).strip()
    listed = said([part for part in parts if chance.random() > 0.2])
    for word in listed:
        if chance.random() < 0.1:
            word["start"] = chance.choice([None, 10**6, 0])

    words = words_of_text(text or "x", listed_words(listed), 20)

    if sorted(text.split()) != sorted(word["text"] for word in listed):
        assert join_words(words) == (" ".join(text.split()) or "x")
    assert all(0 <= word.start <= word.end <= 20_000 for word in words)
    assert all(a.start <= b.start for a, b in pairwise(words))


def test_long_text_that_differs_from_every_listed_word_is_complete():
    random.seed(1)
    text = " ".join(random.choices(["the", "of", "and", "to", "in"], k=30_000))
    listed = said([f"{word}s" for word in text.split()])

    assert len(read(text, listed, 12_000)) == 30_000


@pytest.mark.parametrize("word", ["हिन्दी", "ดี้", "cafe\u0301", "مُحَمَّدُ"])
def test_vowel_signs_and_accents_at_the_end_are_a_part_of_the_word(word):
    assert outer_punctuation(f"“{word}!”") == ("“", "!”")
    assert bare_word(f"{word}.") == word.casefold()
