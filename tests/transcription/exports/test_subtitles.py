"""Subtitles: when a cue begins and ends, and what is in it."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from tests.transcription.exports.readers import WORDS
from transcription.exports import subtitles
from transcription.review.current import words_of
from transcription.words import Word

AFTER_MS = 500


def speech(turns):
    """Return the words of these turns.

    turns: [(speaker, ms before the turn, [(text, ms long), ...]), ...].
    """
    words, at = [], 0
    for speaker, gap, lengths in turns:
        at += gap
        for text, lasts in lengths:
            words.append(Word(text, at, at + lasts, None, speaker))
            at += lasts + 40
    return words


spoken_turns = st.lists(
    st.tuples(
        st.sampled_from(["", "Speaker A", "Speaker B"]),
        st.integers(-1500, 4000),
        st.lists(
            st.tuples(
                # Leave out hyphens, because in a cue a hyphen marks a speaker.
                st.text(
                    st.characters(categories=["L", "P"], exclude_characters="-"),
                    min_size=1,
                    max_size=60,
                ),
                st.integers(50, 900),
            ),
            min_size=1,
            max_size=12,
        ),
    ),
    max_size=12,
).map(lambda turns: [w for w in speech(turns) if w.start >= 0])


@hypothesis(max_examples=100, deadline=None)
@given(spoken_turns, st.booleans())
def test_subtitles_stay_with_the_speech(words, speakers):
    seconds = max((word.end for word in words), default=0) / 1000

    cues = subtitles.cues(words, seconds, speakers)

    shown = "".join(re.sub(r"^- ", "", line) for cue in cues for line in cue.lines)
    assert speakers or sorted(shown.replace(" ", "")) == sorted(
        "".join(word.text for word in words)
    )
    for cue in cues:
        assert len(cue.lines) <= 2
        assert cue.start < cue.end <= seconds * 1000
        near = [w for w in words if w.start < cue.end and w.end > cue.start - 40]
        assert near
        # A word begins near the cue's start. The cue ends soon after its last word.
        assert min(abs(w.start - cue.start) for w in words) <= AFTER_MS
        assert cue.end <= max(w.end for w in near) + AFTER_MS
    assert [cue.start for cue in cues] == sorted(cue.start for cue in cues)


def in_turns(count, step, lasts):
    return [
        Word(f"w{n}", n * step, n * step + lasts, None, f"Speaker {'AB'[n % 2]}")
        for n in range(count)
    ]


def test_quick_turns_share_cues_and_stay_in_sync():
    cues = subtitles.cues(in_turns(150, 400, 350), 60)

    assert cues[0].lines == ["- w0", "- w1"]
    assert (cues[0].start, cues[-1].end) == (0, 60_000)
    for number, cue in enumerate(cues):
        assert cue.start == number * 800
    for before, after in pairwise(cues):
        assert before.end <= after.start


def test_simultaneous_speakers_get_overlapping_cues():
    ada = [Word(f"a{n}", n * 300, n * 300 + 280, None, "A") for n in range(10)]
    bob = [Word(f"b{n}", n * 300 + 100, n * 300 + 380, None, "B") for n in range(10)]

    cues = subtitles.cues(sorted(ada + bob, key=lambda word: word.start), 3.2)

    assert [cue.lines for cue in cues] == [
        ["a0 a1 a2 a3 a4 a5 a6 a7 a8 a9"],
        ["b0 b1 b2 b3 b4 b5 b6 b7 b8 b9"],
    ]
    assert [cue.start for cue in cues] == [0, 100]
    assert max(cue.end for cue in cues) <= 3200


def test_slow_speech_can_be_read():
    words = [
        Word(word, n * 400, n * 400 + 300, None, "")
        for n, word in enumerate(("A sentence, of twenty letters each. " * 3).split())
    ]

    for cue in subtitles.cues(words):
        assert sum(map(len, cue.lines)) * 1000 / (cue.end - cue.start) <= 20


def test_a_subtitle_begins_with_its_first_word_and_ends_with_its_sentence(transcript):
    first, second, *_ = subtitles.cues(words_of(transcript))

    assert (first.start, first.lines) == (0, ["Please call the cardiology ward."])
    assert second.start == WORDS[5]["start"]


def test_a_sentence_ends_a_subtitle_that_lasted_a_second():
    words = [
        Word("Yes.", 0, 300, None, ""),
        Word("It", 340, 500, None, ""),
        Word("hurts.", 540, 1000, None, ""),
        Word("Since", 1040, 1300, None, ""),
        Word("Monday.", 1340, 1900, None, ""),
    ]

    lines = [cue.lines for cue in subtitles.cues(words)]

    assert lines == [["Yes. It hurts."], ["Since Monday."]]


def test_times_are_written_in_hours_minutes_seconds_and_milliseconds():
    cues = [subtitles.Cue(3_725_250, 3_726_001, ["Yes."])]

    assert "01:02:05,250 --> 01:02:06,001" in subtitles.srt(cues)
    assert "01:02:05.250 --> 01:02:06.001" in subtitles.vtt(cues)


def test_a_silence_leaves_the_screen_empty():
    words = [Word("One.", 0, 500, None, ""), Word("Two.", 60_000, 60_500, None, "")]

    assert [(cue.start, cue.end) for cue in subtitles.cues(words)] == [
        (0, 1000),
        (60_000, 61_000),
    ]


def test_a_subtitle_of_very_quick_words_is_still_shown():
    words = [Word("x" * 40, n, n, None, "") for n in range(5)]

    for cue in subtitles.cues(words):
        assert cue.end - cue.start >= subtitles.MIN_MS


@pytest.mark.parametrize(
    "cluster", ["नि", "e\u0301", "👩\u200d👩\u200d👧", "🇵🇱", "กำ่", "க்"]
)
def test_a_long_word_is_not_cut_inside_a_letter(cluster):
    word = Word(f"x{cluster * 60}", 7000, 13_000, None, "")

    cues = subtitles.cues([word])

    lines = [line for cue in cues for line in cue.lines]
    assert "".join(lines) == word.text
    assert word.start < cues[-1].start < word.end
    for line in lines:
        assert line.removeprefix("x").replace(cluster, "") == ""
        assert len(line) <= subtitles.MAX_LINE_LENGTH
