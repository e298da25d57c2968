"""Requests that correct words, from the transcript's page and from API clients."""

import json
import re

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from djtranscribe.models import Access
from tests.caller.rows import a_call
from tests.djtranscribe.api.programs import program_of
from tests.transcription.exports.readers import visible
from tests.transcription.review.test_editing import (
    HEARD,
    SEQUENCES,
    STEP,
    WORDS,
    fresh,
    heard,
    listed,
)
from transcription.models import Batch, Correction, Notification
from transcription.review import editing
from transcription.review.current import Change
from transcription.review.turns import turns_on_page

pytestmark = pytest.mark.django_db


@pytest.fixture
def transcript():
    return heard()


def client_of(group, name="one"):
    client = Client()
    user = User.objects.create_user(f"{name} of {group}", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client


@pytest.fixture
def operator():
    return client_of("Operators")


@pytest.fixture
def other():
    return client_of("Operators", "another")


@pytest.fixture
def supervisor():
    return client_of("Supervisors")


def post(client, transcript, verb, body=None):
    return client.post(
        f"/transcripts/{transcript.uuid}/{verb}/",
        body if isinstance(body, (str, bytes)) else json.dumps(body),
        content_type="application/json",
    )


def edit(*changes, revision=0):
    keys = ("first", "last", "after")
    return {
        "revision": revision,
        "changes": [dict(zip(keys, change, strict=True)) for change in changes],
    }


def test_a_save_answers_with_the_turn_as_it_reads_now(operator, transcript):
    answer = post(operator, transcript, "corrections", edit((2, 3, "<metoprolol>")))
    assert answer.status_code == 400

    answer = post(operator, transcript, "corrections", edit((2, 3, "meto & co")))

    [turn] = answer.json()["turns"]
    assert "<span>meto</span> <span>&amp;</span> <span>co</span>" in turn["html"]
    assert [len(turn["starts"]), turn["first"], turn["last"]] == [8, 0, 6]
    [correction] = turn["corrections"]
    assert correction["original"] == "metaprolyla"
    assert (correction["at"], correction["count"]) == (2, 3)
    assert Access.objects.filter(action="corrected", row=transcript.pk).count() == 1


def in_turns(words, *begins):
    """Return a transcript. in_turns(9, 5) has two turns: w0 to w4, and w5 to w8."""
    texts = " ".join(f"w{n}" for n in range(words))
    all_words = listed(texts)
    for begin in begins:
        for word in all_words[begin:]:
            word.update(start=word["start"] + 9000, end=word["end"] + 9000)
    return heard(texts, words=all_words)


def turns_of(client, transcript):
    """Return the turns on the page, in the form of the JSON answer to a correction."""
    page = client.get(transcript.get_absolute_url()).text
    [data] = re.findall(r'<script id="words"[^>]*>(.*?)</script>', page)
    htmls = re.findall(r'<p class="turn-text">(.*?)</p>', page)
    both = zip(json.loads(data), htmls, strict=True)
    return [{**turn, "html": html} for turn, html in both]


def said(turn):
    return re.sub(r"<[^>]+>", "", turn["html"])


def test_words_after_a_correction_of_two_turns_keep_their_places(
    operator, admin_client
):
    transcript = in_turns(13, 5)
    answer = post(operator, transcript, "corrections", edit((3, 8, "metoprolol")))
    assert [said(turn) for turn in answer.json()["turns"]] == [
        " w0 w1 w2 metoprolol",
        " w8 w9 w10 w11 w12",
    ]

    body = edit((11, 12, "fixed"), revision=1)
    [turn] = post(operator, transcript, "corrections", body).json()["turns"]

    assert (turn["first"], turn["begins"]) == (5, 8)
    assert said(turn) == " w8 w9 w10 fixed w12"
    assert turns_of(admin_client, transcript)[1] == turn
    assert fresh(transcript).text == "w0 w1 w2 metoprolol w8 w9 w10 fixed w12"


def test_a_speaker_whose_times_overlap_does_not_speak_at_the_same_time_as_others():
    text = " ".join(["yes"] * 201)
    words = [{**word, "end": word["start"] + 510} for word in listed(text)]

    turns = turns_on_page(heard(text, words=words, audio_seconds=200))

    assert [turn.overlaps for turn in turns] == [False, False]


def test_an_answer_has_the_changes_of_all_people_since_the_page_was_read(
    operator, other
):
    transcript = in_turns(13, 5)

    def texts(answer):
        return [said(turn) for turn in answer.json()["turns"]]

    post(other, transcript, "corrections", edit((8, 9, "theirs")))
    saved = post(operator, transcript, "corrections", edit((0, 1, "mine")))
    mine, theirs = " mine w1 w2 w3 w4", " w5 w6 w7 theirs w9 w10 w11 w12"
    assert (saved.json()["revision"], texts(saved)) == (2, [mine, theirs])

    refused = post(operator, transcript, "corrections", edit((8, 9, "over")))
    assert (refused.status_code, texts(refused)) == (409, [mine, theirs])

    post(other, transcript, "undo", {"number": 1, "revision": 2})
    undone = post(operator, transcript, "undo", {"number": 2, "revision": 2})
    mine, theirs = " w0 w1 w2 w3 w4", " w5 w6 w7 w8 w9 w10 w11 w12"
    assert (undone.json()["revision"], texts(undone)) == (4, [mine, theirs])
    body = {"number": 2, "revision": 4}
    assert texts(post(operator, transcript, "redo", body)) == [" mine w1 w2 w3 w4"]


@pytest.mark.parametrize(
    "body",
    [
        *("", "[]", "{", b"\xff", "1", "null", '{"revision": 0}'),
        *('{"revision": 0, "changes": 5}', '{"revision": 0, "changes": [5]}'),
        *('{"revision": 0, "changes": []}', '{"revision": true, "changes": []}'),
        '{"revision": 99999999999999999999, "changes": []}',
        '{"revision": 0, "changes": [{"first": 0, "last": 1}]}',
        '{"revision": 0, "changes": [{"first": 0.5, "last": 1, "after": "x"}]}',
        '{"revision": 0, "key": "no", "changes": [{"first":0,"last":1,"after":"x"}]}',
        "[" * 50_000,
    ],
)
@pytest.mark.parametrize("verb", ["corrections", "undo", "redo", "replace"])
def test_invalid_body_returns_400_with_a_message(operator, transcript, verb, body):
    answer = post(operator, transcript, verb, body)

    assert answer.status_code == 400
    assert answer.json()["detail"].endswith(".")
    assert fresh(transcript).revision is None


def test_undo_and_redo_appear_in_the_history(operator, transcript):
    post(operator, transcript, "corrections", edit((2, 3, "metoprolol")))
    assert post(operator, transcript, "undo", {"revision": 1}).status_code == 200
    assert fresh(transcript).text == HEARD
    first = {"number": 1, "revision": 2}
    assert post(operator, transcript, "undo", first).status_code == 409
    assert post(operator, transcript, "redo", first).status_code == 200
    body = {"number": 7, "revision": 3}
    assert post(operator, transcript, "undo", body).status_code == 400

    path = f"/transcripts/{transcript.uuid}/history/"
    assert "data-undo" not in operator.get(path).text
    page = operator.get(path, headers={"X-Requested-With": "fetch"}).text

    assert "<del>metaprolyla</del> <ins>metoprolol</ins>" in page
    assert 'data-undo="1"' in page
    assert "2. Undid revision 1, by" in page


def test_undo_and_redo_leave_the_changes_of_others(operator, other, transcript):
    post(operator, transcript, "corrections", edit((0, 1, "Kindly")))
    post(other, transcript, "corrections", edit((2, 3, "metoprolol"), revision=1))
    editing.save(
        transcript,
        User.objects.get(username="one of Operators"),
        2,
        [Change(5, 6, "week.")],
        batch=Batch.objects.create(heard="day", corrected="week", transcripts=[]),
    )
    theirs = "take metoprolol twice a week."

    assert post(operator, transcript, "undo", {"revision": 3}).status_code == 200
    assert fresh(transcript).text == f"Please {theirs}"
    refused = post(operator, transcript, "undo", {"revision": 4})
    assert "You have no change to undo" in refused.json()["detail"]
    assert post(other, transcript, "redo", {"revision": 4}).status_code == 400
    assert post(operator, transcript, "redo", {"revision": 4}).status_code == 200
    assert fresh(transcript).text == f"Kindly {theirs}"


def shown(transcript):
    """Return what a page shows after a reload: {first word: turn}."""
    turns = turns_on_page(fresh(transcript))
    return {turn.first: {**turn.data, "html": turn.html} for turn in turns}


class TwoPagesOfOneTranscript(TestCase):
    @settings(max_examples=SEQUENCES // 4, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 1), STEP), max_size=14))
    def test_show_after_each_answer_what_they_show_after_a_reload(self, steps):
        transcript = in_turns(WORDS, 2, 3, 6)
        clients = [client_of("Operators", name) for name in ("one", "another")]
        pages, seen = [shown(transcript), shown(transcript)], [0, 0]
        for who, (what, detail) in steps:
            if what in ("undo", "redo"):
                verb, body = what, {"number": detail, "revision": seen[who]}
            else:
                verb, body = "corrections", edit((*what, detail), revision=seen[who])
            answer = post(clients[who], transcript, verb, body).json()
            if "turns" not in answer:
                continue
            seen[who] = answer["revision"]
            pages[who] |= {turn["first"]: turn for turn in answer["turns"]}
            assert pages[who] == shown(transcript)


def test_find_and_replace_is_one_revision(operator):
    said = heard("The dose, the Dose (dose) doses. Dose twice")
    body = {"revision": 0, "find": "dose", "replace": "tablet"}

    preview = operator.post(f"/transcripts/{said.uuid}/preview/", body)
    answer = post(operator, said, "replace", body)

    assert preview.text.count("<ins>") == 4
    assert "Replace 4 places" in preview.text
    assert answer.json()["revision"] == 1
    assert fresh(said).text == "The tablet, the Tablet (tablet) doses. Tablet twice"
    assert post(operator, said, "undo", {"revision": 1}).status_code == 200
    assert fresh(said).original_text is None


def test_a_phrase_is_replaced_also_where_it_was_corrected_before(operator):
    said = heard("one two three four two three")
    post(operator, said, "corrections", edit((0, 2, "1 two")))

    body = {"revision": 1, "find": "Two three", "replace": "23"}
    assert post(operator, said, "replace", body).status_code == 200
    assert fresh(said).text == "1 23 four 23"
    body = {"revision": 2, "find": "nowhere", "replace": "x"}
    assert (
        "nothing to replace" in post(operator, said, "replace", body).json()["detail"]
    )


@pytest.mark.parametrize(
    ("said", "find", "replacement", "expected"),
    [
        (
            "The blood test: blood.",
            "blood",
            "blood test",
            "The blood test: blood test.",
        ),
        (
            "A blood test, test two",
            "test",
            "blood test",
            "A blood test, blood test two",
        ),
        ("test test test", "test", "test test", ""),
        ("siobhan and Siobhan", "siobhan", "Siobhan", "Siobhan and Siobhan"),
    ],
)
def test_a_place_that_has_the_replacement_already_is_skipped(
    operator, said, find, replacement, expected
):
    transcript = heard(said)
    body = {"revision": 0, "find": find, "replace": replacement}
    first = post(operator, transcript, "replace", body)
    text = fresh(transcript).text

    body["revision"] = fresh(transcript).revision or 0
    post(operator, transcript, "replace", body)

    assert first.status_code == (200 if expected else 400)
    assert text == fresh(transcript).text == (expected or said)


def test_operators_correct_and_supervisors_verify(operator, supervisor, transcript):
    path = f"/transcripts/{transcript.uuid}"
    seen = {"revision": 0}
    assert operator.post(f"{path}/verify/", seen).status_code == 403
    assert supervisor.post(f"{path}/verify/", seen).status_code == 302
    answer = post(operator, transcript, "corrections", edit((0, 1, "x"), revision=1))
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "This transcript is verified. Reopen it to change it.",
    )
    assert operator.post(f"{path}/reopen/").status_code == 403
    assert supervisor.post(f"{path}/reopen/", follow=True).status_code == 200

    actions = Access.objects.exclude(action="read").values_list("action", flat=True)
    assert set(actions) == {"verified", "reopened"}
    for revision in (0, 2):
        body = edit((0, 1, f"x{revision}"), revision=revision)
        assert post(operator, transcript, "corrections", body).status_code == 200


@pytest.mark.parametrize("seen", [{}, {"revision": "x"}, {"revision": 0}])
def test_a_text_that_was_not_seen_is_not_verified(
    operator, supervisor, transcript, seen
):
    path = f"/transcripts/{transcript.uuid}/verify/"
    field = '<input type="hidden" name="revision" value="0" autocomplete="off">'
    assert field in supervisor.get(transcript.get_absolute_url()).text
    post(operator, transcript, "corrections", edit((2, 3, "wrong")))

    answer = supervisor.post(path, seen, follow=True)

    assert "Not verified: somebody changed this transcript" in answer.text
    assert field.replace('"0"', '"1"') in answer.text
    assert fresh(transcript).verified_at is None
    supervisor.post(path, {"revision": 1})
    assert fresh(transcript).verified_at


def test_a_button_leads_back_to_the_page_it_is_on(supervisor, transcript):
    call = a_call(status="completed", next_check_at=None)
    type(transcript.recording).objects.update(call=call)
    path = f"/transcripts/{transcript.uuid}"
    here, there = call.get_absolute_url(), transcript.get_absolute_url()
    field = '<input type="hidden" name="from" value="call">'

    assert field in supervisor.get(here).text
    assert field not in supervisor.get(there).text
    for verb in ("verify", "reopen", "speakers"):
        answer = supervisor.post(f"{path}/{verb}/", {"from": "call"})
        assert answer["Location"] == here, verb
        assert supervisor.post(f"{path}/{verb}/")["Location"] == there, verb


def test_a_reader_sees_the_revisions_and_cannot_correct(transcript):
    reader = program_of("reader", ["view_transcript"])
    path = f"/api/transcripts/{transcript.uuid}"
    body = {"revision": 0, "corrections": []}
    assert reader.patch(path, body, content_type="application/json").status_code == 403


def test_api_returns_both_texts_and_accepts_corrections(transcript):
    program = program_of("crm", ["view_transcript", "correct_transcript"])
    path = f"/api/transcripts/{transcript.uuid}"

    def patch(text, revision=0, **more):
        corrections = [{"first": 2, "last": 3, "text": text}]
        body = {"revision": revision, "corrections": corrections, **more}
        return program.patch(path, body, content_type="application/json")

    assert patch("x" * 100_000).status_code == 400
    answer = patch("metoprolol").json()
    assert (answer["original_text"], answer["revision"]) == (HEARD, 1)
    got = program.get(f"{path}?words=true").json()
    assert got["text"] == "Please take metoprolol twice a day."
    assert [got[each][2]["text"] for each in ("words", "original_words")] == [
        "metoprolol",
        "metaprolyla",
    ]
    assert (got["words"][2]["first"], got["words"][2]["last"]) == (2, 3)

    other = program_of("another", ["view_transcript", "correct_transcript"])
    body = {"revision": 0, "corrections": [{"first": 2, "last": 4, "text": "x"}]}
    answer = other.patch(path, body, content_type="application/json")
    assert answer.status_code == 409
    assert answer.json()["corrections"] == [
        {"first": 2, "last": 3, "text": "metoprolol"}
    ]


def test_a_thousand_corrections_keep_the_page_usable(operator, admin_client):
    said = heard(" ".join(f"word{n}" for n in range(1000)))
    changes = [(n, n + 1, f"fixed{n}") for n in range(1000)]
    for start in range(0, 1000, 500):
        body = edit(*changes[start : start + 500], revision=start // 500)
        assert post(operator, said, "corrections", body).status_code == 200

    page = admin_client.get(said.get_absolute_url())

    assert page.text.count("fixed") >= 1000
    assert Correction.objects.filter(transcript=said, is_live=True).count() == 1000


def test_corrections_send_one_notification_and_verification_another(
    operator, supervisor, transcript, settings
):
    settings.NOTIFY_URL = "https://example.com/hook"
    settings.NOTIFY_SECRETS = ["whsec_" + "a" * 32]
    for revision in range(3):
        body = edit((revision, revision + 1, "x"), revision=revision)
        post(operator, transcript, "corrections", body)
    supervisor.post(f"/transcripts/{transcript.uuid}/verify/", {"revision": 3})

    events = Notification.objects.order_by("pk").values_list("event", flat=True)
    assert list(events) == ["transcript.corrected", "transcript.verified"]


@pytest.mark.parametrize("extension", ["txt", "docx", "pdf", "srt", "vtt", "json"])
@pytest.mark.parametrize("version", ["current", "original", "both", "odd"])
def test_a_file_has_the_text_that_was_chosen(operator, transcript, extension, version):
    path = f"/transcripts/{transcript.uuid}/export/{extension}/?version={version}"
    uncorrected = operator.get(path)
    post(operator, transcript, "corrections", edit((2, 3, "metoprolol")))
    answer = operator.get(path)

    assert "metaprolyla" in visible(extension, uncorrected.content)
    if version == "both" and extension in ("srt", "vtt"):
        assert answer.status_code == 422
        return
    said = visible(extension, answer.content)
    assert ("metoprolol" in said) == (version != "original")
    assert ("metaprolyla" in said) == (version in ("original", "both"))


def test_json_of_the_original_has_the_words_as_assemblyai_sent_them(operator):
    transcript = heard("Hi.", words=[{"text": "Hi.", "start": None}])
    post(operator, transcript, "corrections", edit((0, 1, "Hello.")))
    path = f"/transcripts/{transcript.uuid}/export/json/?version=original&times=1"

    (word,) = operator.get(path).json()["words"]

    assert word == {"text": "Hi.", "confidence": None, "start": None, "end": None}


def test_json_of_corrected_words_and_named_speakers_keeps_the_channels(operator):
    channels = "111222"
    words = [
        {**word, "speaker": channel, "channel": channel}
        for word, channel in zip(listed(HEARD), channels, strict=True)
    ]
    transcript = heard(words=words)
    path = f"/transcripts/{transcript.uuid}"
    post(operator, transcript, "corrections", edit((2, 3, "metoprolol")))
    names = {"speaker": ["Channel 1", "Channel 2"], "name": ["Ada", "Bob"]}
    operator.post(f"{path}/speakers/", names)

    found = operator.get(f"{path}/export/json/?speakers=1").json()["words"]

    assert [(word["speaker"], word["channel"]) for word in found] == [
        *[("Ada", "1")] * 3,
        *[("Bob", "2")] * 3,
    ]


def test_words_that_are_all_removed_can_be_brought_back(supervisor):
    transcript = heard("Bye.")
    call = a_call(status="completed", next_check_at=None)
    type(transcript.recording).objects.update(call=call)
    post(supervisor, transcript, "corrections", edit((0, 1, "")))

    for page in (call.get_absolute_url(), transcript.get_absolute_url()):
        assert '<div id="text"' in supervisor.get(page).text, page
        assert 'id="undo-word"' in supervisor.get(page).text, page
    for extension in ("txt", "srt"):
        path = f"/transcripts/{transcript.uuid}/export/{extension}/"
        assert "All words of this transcript were removed" in supervisor.get(path).text
        assert "Bye." in supervisor.get(path, {"version": "original"}).text
    post(supervisor, transcript, "undo", {"revision": 1})
    assert fresh(transcript).text == "Bye."


def test_a_silent_recording_stays_silent_when_it_is_verified(supervisor):
    silent = heard("", words=[])
    path = f"/transcripts/{silent.uuid}"
    page = supervisor.post(f"{path}/verify/", {"revision": 0}, follow=True).text

    assert "Verified by" in page
    assert '<p class="state">Nobody spoke in this recording.</p>' in page
    assert "Nobody spoke" in supervisor.get(f"{path}/export/txt/").text


def test_verify_alone_changes_no_file_and_does_not_correct(operator, supervisor):
    words = [{**word, "speaker": "A", "channel": "1"} for word in listed(HEARD)]
    transcript = heard(words=words)
    path = f"/transcripts/{transcript.uuid}"

    def words_of_file():
        return operator.get(f"{path}/export/json/?speakers=1").json()["words"]

    as_sent = words_of_file()
    supervisor.post(f"{path}/verify/", {"revision": 0})
    supervisor.post(f"{path}/reopen/")

    assert words_of_file() == as_sent
    assert "<dd>as AssemblyAI wrote it</dd>" in operator.get(f"{path}/print/").text
    post(operator, transcript, "corrections", edit((0, 1, "Kindly"), revision=2))
    assert words_of_file()[0]["speaker"] == "Speaker A"
    assert "<dd>corrected, revision 3</dd>" in operator.get(f"{path}/print/").text


def test_speakers_are_named_swapped_and_renamed_back(operator, admin_client):
    words = [
        {"text": text, "start": n * 900, "end": n * 900 + 800, "speaker": speaker}
        for n, (text, speaker) in enumerate([("Hello?", "A"), ("Yes.", "B")])
    ]
    said = heard("Hello? Yes.", words=words)
    path = f"/transcripts/{said.uuid}"

    def name(*names, **more):
        data = {"speaker": ["Speaker A", "Speaker B"], "name": names, **more}
        seen = {"revision": fresh(said).revision or 0}
        return operator.post(f"{path}/speakers/", seen | data, follow=True)

    def read():
        return operator.get(f"{path}/export/txt/?speakers=1").text

    name("Dr Okonkwo", "")
    assert read() == "[Dr Okonkwo] Hello?\n\n[Speaker B] Yes.\n"
    original = operator.get(f"{path}/export/txt/?speakers=1&version=original").text
    assert original == "[Speaker A] Hello?\n\n[Speaker B] Yes.\n"
    words = operator.get(f"{path}/export/json/?speakers=1").json()["words"]
    assert [word["speaker"] for word in words] == ["Dr Okonkwo", "Speaker B"]
    page = admin_client.get(said.get_absolute_url()).text
    assert "<b>Dr Okonkwo</b>" in page
    form = page[page.index('class="speakers"') :].partition("</form>")[0]
    assert 'name="revision" value="1"' in form
    saved = post(operator, said, "corrections", edit((1, 2, "No.")))
    assert saved.json()["reload"]
    last = {"revision": saved.json()["revision"]}
    assert not post(operator, said, "undo", last).json()["reload"]
    name("Dr Okonkwo", "Ada", swap="1")
    assert read() == "[Ada] Hello?\n\n[Dr Okonkwo] Yes.\n"
    first = {"number": 1, "revision": 4}
    assert post(operator, said, "undo", first).status_code == 409
    last = {"number": 4, "revision": 4}
    assert post(operator, said, "undo", last).json()["reload"]
    assert read().startswith("[Dr Okonkwo]")
    name("<b>Ada</b>", "x" * 81)
    assert fresh(said).revision == 5
    assert "Speaker A is Dr Okonkwo" in operator.get(f"{path}/history/").text
    # This form comes from a page with revision 4. Revision 5 changed the names.
    stale = name("Speaker A", "Bob", revision=4)
    assert "named again after you opened the page" in stale.text
    assert read().startswith("[Dr Okonkwo]")
