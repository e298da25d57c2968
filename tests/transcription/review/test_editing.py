"""Corrections of the words that AssemblyAI sent."""

import os
import uuid

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.transcription.rows import a_transcript
from transcription.models import Correction, Revision, Transcript
from transcription.review import editing
from transcription.review.current import Change, words_of
from transcription.review.rules import Conflict, Refused
from transcription.search import finding
from transcription.search.query import parse
from transcription.tokens import indexed
from transcription.words import join_words

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

HEARD = "Please take metaprolyla twice a day."


def listed(text, step=500):
    return [
        {"text": word, "start": n * step, "end": n * step + 400, "confidence": 0.4}
        for n, word in enumerate(text.split())
    ]


def heard(text=HEARD, **columns):
    columns = {"words": listed(text), "audio_seconds": 60, **columns}
    return a_transcript("completed", text=text, **columns)


@pytest.fixture
def transcript():
    return heard()


@pytest.fixture
def ada(django_user_model):
    return django_user_model.objects.create_user("ada")


@pytest.fixture
def bob(django_user_model):
    return django_user_model.objects.create_user("bob")


def fresh(transcript):
    return Transcript.objects.get(pk=transcript.pk)


def correct(transcript, author, *changes, started_from=None, **more):
    now = fresh(transcript).revision or 0
    start = now if started_from is None else started_from
    return editing.save(
        transcript, author, start, [Change(*c) for c in changes], **more
    )


def test_a_correction_changes_the_text_and_not_the_words(transcript, ada):
    correct(transcript, ada, (2, 3, "metoprolol"))

    row = fresh(transcript)
    assert row.text == "Please take metoprolol twice a day."
    assert (row.original_text, row.words) == (HEARD, listed(HEARD))
    assert finding.ranked_keys(parse("metoprolol")) == [row.pk]
    assert finding.ranked_keys(parse("metaprolyla")) == []
    word = words_of(row)[2]
    assert (word.text, word.start, word.end) == ("metoprolol", 1000, 1400)
    assert word.confidence is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ((2, 3, ""), "Please take twice a day."),
        ((1, 4, "take one"), "Please take one a day."),
        ((0, 1, "Now please"), "Now please take metaprolyla twice a day."),
        ((5, 6, "day, Ada."), "Please take metaprolyla twice a day, Ada."),
        ((0, 6, ""), ""),
    ],
)
def test_words_are_removed_joined_and_inserted_with_times_in_order(
    transcript, ada, change, expected
):
    correct(transcript, ada, change)

    row = fresh(transcript)
    words = words_of(row)
    assert (row.text, join_words(words)) == (expected, expected)
    assert [w.start for w in words] == sorted(w.start for w in words)
    assert all(w.end > w.start for w in words)


def test_an_inserted_word_is_between_its_neighbours(transcript, ada):
    correct(transcript, ada, (1, 2, "take the"))

    words = words_of(fresh(transcript))
    assert [(w.text, w.start, w.end) for w in words[1:4]] == [
        ("take", 500, 900),
        ("the", 900, 1000),
        ("metaprolyla", 1000, 1400),
    ]
    # The old word keeps the model's confidence. The inserted word has none.
    assert [w.confidence for w in words[1:3]] == [0.4, None]


def test_text_can_be_added_to_an_empty_transcript(ada):
    silent = heard("", words=[])

    correct(silent, ada, (0, 0, "Hello there."))
    correct(silent, ada, (0, 0, "Hello Ada."))

    assert fresh(silent).text == "Hello Ada."
    assert [word.text for word in words_of(fresh(silent))] == ["Hello", "Ada."]


def test_undo_and_redo_go_back_and_forth_one_save_at_a_time(transcript, ada):
    texts = [HEARD]
    for change in [(2, 3, "metoprolol"), (2, 4, "metoprolol once"), (0, 1, "")]:
        correct(transcript, ada, change)
        texts.append(fresh(transcript).text)

    def undo():
        number = editing.last_to_undo(transcript, ada).number
        editing.undo(transcript, ada, number)
        return fresh(transcript).text

    def redo():
        editing.redo(transcript, ada, editing.last_to_redo(transcript, ada).number)
        return fresh(transcript).text

    assert [undo(), undo(), undo()] == texts[2::-1]
    assert editing.last_to_undo(transcript, ada) is None
    assert fresh(transcript).original_text is None
    assert [redo(), redo(), redo()] == texts[1:]
    with pytest.raises(Conflict, match=r"Revision 1 is not undone\."):
        editing.redo(transcript, ada, 1)
    assert undo() == texts[2]


def test_a_revision_in_the_middle_can_be_undone_if_nothing_is_built_on_it(
    transcript, ada
):
    correct(transcript, ada, (2, 3, "metoprolol"))
    correct(transcript, ada, (0, 1, "Kindly"))
    editing.undo(transcript, ada, 1)
    assert fresh(transcript).text == "Kindly take metaprolyla twice a day."

    correct(transcript, ada, (0, 2, "Do take"))
    with pytest.raises(
        Conflict, match=r"changed again in revision 4\. Undo that first"
    ):
        editing.undo(transcript, ada, 2)


def test_another_person_s_newer_correction_of_the_same_words_is_a_conflict(
    transcript, ada, bob
):
    correct(transcript, ada, (2, 3, "metoprolol"), started_from=0)
    with pytest.raises(Conflict, match="“metoprolol”") as caught:
        correct(transcript, bob, (2, 3, "Metro"), started_from=0)
    assert [each.after for each in caught.value.now] == ["metoprolol"]

    correct(transcript, bob, (0, 1, "Kindly"), started_from=0)
    correct(transcript, ada, (2, 3, "Metoprolol"), started_from=0)

    assert fresh(transcript).text == "Kindly take Metoprolol twice a day."


def test_another_person_s_redo_of_the_same_words_is_a_conflict(transcript, ada, bob):
    correct(transcript, bob, (2, 3, "metoprolol"))
    editing.undo(transcript, bob, 1)
    editing.redo(transcript, bob, 1)

    with pytest.raises(Conflict, match="“metoprolol”"):
        correct(transcript, ada, (2, 3, "Metro"), started_from=2)


def test_a_save_that_is_sent_twice_is_stored_once(transcript, ada):
    key = uuid.uuid4()
    first = correct(transcript, ada, (2, 3, "x"), client_key=key)
    assert correct(transcript, ada, (2, 3, "x"), client_key=key) == first
    assert editing.undo(transcript, ada, 1, client_key := uuid.uuid4()) == (
        editing.undo(transcript, ada, 1, client_key)
    )
    assert fresh(transcript).revision == 2


def test_a_verified_transcript_is_locked_until_it_is_reopened(transcript, ada):
    editing.verify(transcript, ada)
    for refused in [
        lambda: correct(transcript, ada, (0, 1, "No")),
        lambda: editing.verify(transcript, ada),
    ]:
        with pytest.raises(Conflict, match="is verified"):
            refused()
    assert fresh(transcript).verified_by == ada

    editing.reopen(transcript, ada)
    correct(transcript, ada, (0, 1, "Now"))

    assert fresh(transcript).text.startswith("Now take")
    kinds = list(Revision.objects.values_list("kind", flat=True))
    assert kinds == ["verify", "reopen", "edit"]
    with pytest.raises(Refused):
        editing.undo(transcript, ada, 1)


def test_checking_a_doubtful_word_keeps_the_text_and_ends_the_doubt(ada):
    spaced = heard("One  two\nthree.")

    correct(spaced, ada, (1, 2, "two"))

    row = fresh(spaced)
    assert (row.text, row.original_text) == ("One  two\nthree.", None)
    assert [word.confidence for word in words_of(row)] == [0.4, None, 0.4]


@pytest.mark.parametrize("odd", ["<no>", "שלום\u200f", "x" * 6000])
def test_what_assemblyai_wrote_can_be_marked_as_right(ada, odd):
    said = heard(f"Please {odd} now.")

    correct(said, ada, (1, 2, odd))

    row = fresh(said)
    assert [word.confidence for word in words_of(row)] == [0.4, None, 0.4]
    with pytest.raises(Refused):
        correct(said, ada, (1, 2, f"{odd}!"))


BAD = {
    "long": ((0, 1, "x" * 100_000), "at most 5,000 characters; this one has 100,000"),
    "NUL": ((0, 1, "a\0b"), "control characters"),
    "half a character": ((0, 1, "a\ud800"), "control characters"),
    "escape": ((0, 1, "\x1b[31m"), "control characters"),
    "HTML": ((0, 1, "<b>Hello</b>"), "plain text. Remove <b>"),
    "direction": ((0, 1, "a\u202eb"), "direction of writing"),
    "after the end": ((5, 7, "x"), "no range from 5 to 7"),
    "backwards": ((3, 2, "x"), "no range from 3 to 2"),
    "negative": ((-1, 2, "x"), "no range from -1 to 2"),
    "empty": ((2, 2, "x"), "no range from 2 to 2"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_input_is_refused_with_a_sentence_and_nothing_is_stored(
    transcript, ada, bad
):
    change, sentence = BAD[bad]

    with pytest.raises(Refused, match=sentence), transaction.atomic():
        correct(transcript, ada, (4, 5, "fine"), change)

    assert (fresh(transcript).revision, Correction.objects.count()) == (None, 0)


def test_a_stale_or_future_revision_and_half_a_correction_are_refused(transcript, ada):
    with pytest.raises(Refused, match="no revision 7"):
        correct(transcript, ada, (0, 1, "x"), started_from=7)
    with pytest.raises(Refused, match="change the same words"):
        correct(transcript, ada, (0, 2, "x"), (1, 3, "y"))
    correct(transcript, ada, (1, 4, "take it once"))
    with pytest.raises(Refused, match="one correction for words 0 to 4"):
        correct(transcript, ada, (0, 2, "x"))


WORDS = 8
RANGES = st.tuples(st.integers(0, WORDS - 1), st.integers(1, 3)).map(
    lambda pair: (pair[0], min(WORDS, pair[0] + pair[1]))
)
TEXTS = st.lists(st.sampled_from(["one", "two", "x", "Łódź", "会议"]), max_size=4)
STEP = st.one_of(
    st.tuples(RANGES, TEXTS.map(" ".join)),
    st.tuples(st.sampled_from(["undo", "redo"]), st.integers(1, 12)),
)
STEPS = st.lists(STEP, max_size=14)
# For a long run by hand, set the environment variable EDIT_SEQUENCES=10000.
SEQUENCES = int(os.environ.get("EDIT_SEQUENCES", "100"))


def replayed(edits):
    """Return the text after these edits, computed in the simplest way."""
    units = [(n, n + 1, f"w{n}") for n in range(WORDS)]
    for (first, last), text in edits:
        inside = [u for u in units if first <= u[0] and u[1] <= last]
        at = units.index(inside[0])
        units[at : at + len(inside)] = [(first, last, text)]
    return " ".join(text for _, _, text in units if text)


class AnySequenceOfEdits(TestCase):
    @settings(max_examples=SEQUENCES, deadline=None)
    @given(STEPS)
    def test_text_matches_the_edits_that_are_not_undone(self, steps):
        author = User.objects.create_user("ada")
        original = " ".join(f"w{n}" for n in range(WORDS))
        transcript = heard(original)
        edits, undone = {}, set()
        for what, detail in steps:
            number = (fresh(transcript).revision or 0) + 1
            try:
                if what == "undo":
                    editing.undo(transcript, author, detail)
                    undone.add(detail)
                elif what == "redo":
                    editing.redo(transcript, author, detail)
                    undone.remove(detail)
                else:
                    correct(transcript, author, (*what, detail))
                    edits[number] = (what, detail)
            except (Refused, Conflict):
                assert (fresh(transcript).revision or 0) == number - 1
        row = fresh(transcript)
        words = words_of(row)
        expected = replayed(edit for n, edit in edits.items() if n not in undone)

        assert (row.text, join_words(words)) == (expected, expected)
        assert row.words == listed(original)
        assert row.search_text == indexed(row.text)
        starts = [word.start for word in words]
        assert starts == sorted(starts)


def test_a_transcript_that_was_just_deleted_is_not_corrected(transcript, ada):
    Transcript.objects.filter(pk=transcript.pk).delete()

    with pytest.raises(Refused, match="was deleted"):
        editing.save(transcript, ada, 0, [Change(0, 1, "x")])
