"""The transcript of a conversation: who speaks, how long, and on which channel."""

import re

import pytest
from responses.matchers import query_param_matcher

from tests.caller.conversations.rows import a_conversation
from tests.caller.rows import MEDIA, a_recording
from tests.data import wav
from tests.transcription.rows import a_transcript
from transcription.assemblyai.payloads import request_body

pytestmark = pytest.mark.django_db

NAMES = {"1": "ada", "2": "Bob Stone"}


def heard(*words):
    """Return AssemblyAI's words. Arguments: (text, channel, start in ms, end in ms)."""
    return [
        {"text": text, "channel": str(channel), "start": start, "end": end}
        for text, channel, start, end in words
    ]


# The turns of the two people overlap from 900 to 1,500 ms.
TALK = heard(
    ("Are", 1, 0, 400),
    ("you", 1, 400, 1000),
    ("Yes,", 2, 900, 1200),
    ("there?", 1, 1100, 1500),
    ("here.", 2, 1400, 2000),
    ("Good.", 1, 9000, 9500),
)
TEXT = "Are you there? Yes, here. Good."


@pytest.fixture
def transcript():
    recording = a_recording(call=a_conversation(status="completed"), channels=2)
    return a_transcript(
        "completed", recording=recording, text=TEXT, words=TALK, channel_names=NAMES
    )


def turns(page):
    """Return the turns on the page: `[(heading, words)]`."""
    found = re.findall(
        r'<p class="when">(.*?)</p>\s*<p class="turn-text">(.*?)</p>', page, re.DOTALL
    )
    return [tuple(re.sub(r"<[^>]+>", "", part).strip() for part in t) for t in found]


def visible(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.fixture
def page(browser, transcript):
    def read():
        return browser.get(transcript.get_absolute_url()).content.decode()

    return read


def test_overlapping_turns_are_shown_one_after_the_other(page):
    assert turns(page()) == [
        ("ada 0:00", "Are you there?"),
        ("Bob Stone 0:00 while somebody else speaks", "Yes, here."),
        ("ada 0:09", "Good."),
    ]


def test_page_shows_speaking_shares_and_longest_silence(page):
    text = visible(page())

    assert "ada 68% 68%, 0:01 Bob Stone 32% 32%, 0:00" in text
    assert "Longest silence 0:07" in text


def test_each_side_can_be_heard_alone(page):
    sides = re.findall(r'<option value="(left|right)">(.*?)</option>', page())

    assert sides == [("left", "ada (left)"), ("right", "Bob Stone (right)")]


def test_search_result_names_the_speaker(browser, transcript):
    page = browser.get("/search/", {"q": "yes"}).content.decode()

    assert "<b><bdi>Bob Stone</bdi>:</b>" in page


def test_swapped_names_change_everywhere_and_back_again(
    browser, operator, transcript, page, django_user_model
):
    browser.force_login(django_user_model.objects.create_superuser("eve"))
    where = f"/transcripts/{transcript.uuid}"

    browser.post(
        f"{where}/speakers/",
        {"speaker": ["ada", "Bob Stone"], "name": ["ada", "Bob Stone"], "swap": "1"},
    )

    assert turns(page())[0] == ("Bob Stone 0:00", "Are you there?")
    sides = re.findall(r'<option value="left">(.*?)</option>', page())
    assert sides == ["Bob Stone (left)"]
    assert "Bob Stone 68% 68%, 0:01 ada 32% 32%, 0:00" in visible(page())
    export = browser.get(f"{where}/export/txt/?speakers=1").content.decode()
    assert export.startswith("[Bob Stone] Are you there?\n\n[ada] Yes, here.")

    browser.post(f"{where}/undo/", {"revision": 1}, content_type="application/json")

    assert turns(page())[0] == ("ada 0:00", "Are you there?")


@pytest.mark.parametrize(
    ("source", "channels", "asked"),
    [
        ("DialVerb", 2, {"multichannel": True}),
        ("DialVerb", 1, {"speaker_labels": True}),
        ("Conference", 1, {"speaker_labels": True}),
        ("RecordVerb", 1, {}),
    ],
)
def test_people_on_one_channel_are_told_apart_by_their_voices(source, channels, asked):
    recording = a_recording(source=source, channels=channels)

    body = request_body(a_transcript("uploaded", recording=recording))

    names = {"multichannel", "speaker_labels"}
    assert {name: body[name] for name in names & body.keys()} == asked


def test_mono_audio_is_fetched_if_stereo_is_not_available(vendors):
    recording = a_recording(channels=2, call=a_conversation())
    stereo = query_param_matcher({"RequestedChannels": "2"})
    vendors.get(MEDIA, status=400, match=[stereo])
    vendors.get(MEDIA, body=wav(), match=[query_param_matcher({})])

    recording.fetch_audio(lambda: None)

    recording.refresh_from_db()
    assert (bool(recording.audio), recording.channels) == (True, 1)
