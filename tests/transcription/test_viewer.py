"""Words as they are shown: turns and doubtful words."""

import pytest

from tests.caller.rows import a_recording
from tests.data import wav
from tests.transcription.rows import a_transcript
from transcription import presentation
from transcription.presentation import doubtful_words, turns_of
from transcription.words import listed_words, words_of_text

pytestmark = pytest.mark.quick

ADMIN = "/admin/transcription/transcript/"


def a_word(text="yes", start=0, end=200, confidence=0.9, **more):
    return {
        "text": text,
        "start": start,
        "end": end,
        "confidence": confidence,
        "speaker": None,
        **more,
    }


def speech(count, text="yes", **more):
    """Return `count` words without pauses, 200 ms each."""
    return [a_word(text, n * 200, n * 200 + 200, **more) for n in range(count)]


def words_of(listed):
    return words_of_text(
        " ".join(word["text"] for word in listed), listed_words(listed)
    )


def read(listed):
    """Return [(speaker, text)] of the turns."""
    return [(turn.speaker, turn.text) for turn in turns_of(words_of(listed))]


def test_a_turn_ends_where_another_speaker_begins():
    said = [("A", "Hello."), ("B", "Who"), ("B", "is"), ("A", "Ada.")]

    turns = read([a_word(text, speaker=speaker) for speaker, text in said])

    assert turns == [
        ("Speaker A", "Hello."),
        ("Speaker B", "Who is"),
        ("Speaker A", "Ada."),
    ]


@pytest.mark.parametrize("speaker", [None, "1", 1])
def test_channels_are_speakers_where_no_others_are_known(speaker):
    turns = read(
        [a_word("Hello.", channel="1", speaker=speaker), a_word("Yes?", channel="2")]
    )

    assert turns == [("Channel 1", "Hello."), ("Channel 2", "Yes?")]


def test_without_speakers_a_pause_makes_a_paragraph():
    turns = read([a_word("One", 0, 500), a_word("two", 2400, 2500), a_word("x", 4500)])

    assert turns == [("", "One two"), ("", "x")]


def test_a_speaker_is_named_once_for_all_his_paragraphs():
    turns = read([a_word("One", 0, 500, speaker="A"), a_word("x", 9000, speaker="A")])

    assert turns == [("Speaker A", "One"), ("", "x")]


def test_long_speech_is_split_at_sentence_ends_or_at_a_maximum_length():
    sentence = [*speech(9), a_word("end.", 1800, 2000)]

    parted = [turn.count(" ") + 1 for _, turn in read(sentence * 20)]
    endless = [turn.count(" ") + 1 for _, turn in read(speech(450))]

    assert parted == [80, 80, 40]
    assert endless == [200, 200, 50]


def test_words_below_the_confidence_threshold_are_doubtful():
    words = words_of([a_word(str(c), confidence=c) for c in (0, 0.49, 0.5, 1, None)])

    assert [word.text for word in doubtful_words(words)] == ["0", "0.49"]
    assert [word.text for word in doubtful_words(words, 1)] == ["0", "0.49", "0.5"]


def test_times_are_formatted_as_hours_minutes_and_seconds():
    clocks = [presentation.clock(ms) for ms in (0, 65_999, 3_600_000, 36_061_000)]

    assert clocks == ["0:00", "1:05", "1:00:00", "10:01:01"]


def page_of(browser, **columns):
    recording = a_recording()
    recording.store_audio([wav()])
    transcript = a_transcript("completed", recording=recording, **columns)
    return browser.get(f"{ADMIN}{transcript.pk}/change/").text


@pytest.mark.django_db
def test_the_page_has_words_that_are_escaped_and_their_times(browser):
    words = [a_word("<script>", 0, 90, 0.2, speaker="<A>"), a_word("</script>", None)]

    text = "<script> </script>"
    page = page_of(browser, text=text, words=words, language="en_us", audio_seconds=1)

    assert "<span>&lt;script&gt;</span> <span>&lt;/script&gt;</span>" in page
    assert "<b>Speaker &lt;A&gt;</b>" in page
    assert '"starts": [0, 90], "sure": [0.2, 0.9]' in page
    assert "1 to check" in page
    assert 'lang="en"' in page
    assert " style=" not in page


@pytest.mark.django_db
@pytest.mark.parametrize("words", [[], [a_word("Aloha")]])
def test_a_language_code_that_is_not_understood_is_left_out(browser, words):
    page = page_of(browser, text="Aloha", words=words, language="haw")

    start_tag = page[page.index('class="text"') :].partition(">")[0]
    assert "lang=" not in start_tag


@pytest.mark.django_db
def test_page_keeps_the_spacing_of_the_text(browser):
    words = [a_word(letter, n * 200) for n, letter in enumerate("会议。Yes")]

    page = page_of(browser, text="会议。 Yes", words=words)

    assert "<span>会</span><span>议</span><span>。</span> <span>Y" in page


@pytest.mark.django_db
def test_a_text_without_words_is_shown_as_it_is(browser):
    page = page_of(browser, text="Please <call>.\n\nThanks.", words=[])

    assert "<p>Please &lt;call&gt;.</p>" in page
    assert 'id="words"' not in page


@pytest.mark.django_db
def test_the_words_are_there_without_stored_audio(browser):
    recording = a_recording()
    transcript = a_transcript("pending", recording=recording, text="Yes.")
    type(transcript).objects.update(status="completed", words=[a_word("Yes.")])

    page = browser.get(f"{ADMIN}{transcript.pk}/change/").text

    assert "The audio is not stored here." in page
    assert "<span>Yes.</span>" in page
    assert "<audio" not in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"status": "error"}, "No reason is known."),
        ({"status": "error", "error": "<Too> short."}, "&lt;Too&gt; short."),
        (
            {"status": "processing"},
            "This transcript is not finished: Being transcribed. Reload this page",
        ),
        ({"status": "completed", "text": ""}, "Nobody spoke in this recording."),
    ],
)
def test_page_without_text_says_why(browser, columns, sentence):
    transcript = a_transcript("fetched", recording=a_recording(), audio_url="x")
    type(transcript).objects.update(**columns)

    page = browser.get(f"{ADMIN}{transcript.pk}/change/").text

    assert sentence in page
    assert 'id="words"' not in page


@pytest.mark.django_db
def test_the_answer_does_not_repeat_every_word(browser):
    answer = {"id": "x", "utterances": [{"text": "Please", "words": [{}]}]}

    page = page_of(browser, text="Please", words=[a_word("Please")], response=answer)

    assert "left out here" in page
    assert "id</th><td>x</td>" in page
