"""What programs can read through the API, and what *Access log* records of it."""

from datetime import datetime, timedelta, timezone

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import FileSystemStorage
from django.db import OperationalError, connection

from djtranscribe.api.pages import encode_cursor
from djtranscribe.models import Access
from tests.caller.conversations.rows import a_conversation
from tests.caller.rows import CALL_SID, a_call, a_recording
from tests.data import load, wav
from tests.djtranscribe.api.programs import CALL_AND_READ, program_of
from transcription.models import Transcript, Vocabulary
from transcription.search import finding

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

UUID = "11111111-2222-4333-8444-555555555555"
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


@pytest.fixture
def program():
    return program_of("ada", CALL_AND_READ)


@pytest.fixture
def transcript():
    words = load("assemblyai/completed")["words"]
    call = a_call(uuid=UUID, sid=CALL_SID, status="completed", price="-0.014")
    recording = a_recording(call=call, duration_seconds=9)
    recording.store_audio([wav()])
    return Transcript.objects.create(
        uuid=UUID,
        recording=recording,
        status="completed",
        text="Please call the cardiology ward.",
        confidence=0.9,
        words=words,
    )


def accesses():
    return [(a.user.username, a.action, a.what, a.row) for a in Access.objects.all()]


def numbered(count, **columns):
    return [
        a_call(
            other_number=f"+141555512{number:02}",
            status="completed",
            created_at=NOON + timedelta(seconds=number),
            **columns,
        )
        for number in range(count)
    ]


def test_a_call_says_what_its_page_says(program, transcript):
    call = program.get(f"/api/calls/{UUID}").json()

    assert call["to"] == "+14155551234"
    assert call["status"] == "completed"
    assert call["cost"] == "0.01400"
    assert call["recordings"][0]["duration_seconds"] == 9
    assert call["transcripts"][0]["text"] == "Please call the cardiology ward."


def test_the_cost_of_a_conversation_includes_both_phones(program):
    call = a_conversation({"price": "-0.0140"}, price="-0.0200", price_unit="USD")

    listed = program.get("/api/calls").json()["items"][0]

    cost, currency = listed["cost"], listed["cost_currency"]
    assert (cost, currency) == ("0.03400", "USD")
    assert program.get(f"/api/calls/{call.uuid}").json()["cost"] == cost


def test_the_cost_has_a_currency_if_only_the_operators_phone_has_a_price(program):
    a_conversation({"price": "-0.0085", "price_unit": "EUR"})

    listed = program.get("/api/calls").json()["items"][0]

    assert (listed["cost"], listed["cost_currency"]) == ("0.00850", "EUR")


def test_calls_come_newest_first(program):
    numbered(3)

    answer = program.get("/api/calls").json()

    assert [call["to"][-2:] for call in answer["items"]] == ["02", "01", "00"]
    assert answer["next_cursor"] is None


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_have_every_row_once_even_of_the_same_moment(program, limit):
    for call in numbered(7):
        call.created_at = NOON
        call.save()

    found, cursor = [], ""
    while cursor is not None:
        page = program.get("/api/calls", {"limit": limit, "cursor": cursor}).json()
        assert len(page["items"]) <= limit
        found += [call["to"][-2:] for call in page["items"]]
        cursor = page["next_cursor"]

    assert found == ["06", "05", "04", "03", "02", "01", "00"]


def test_rows_that_are_made_meanwhile_move_none_to_another_page(program):
    numbered(4)
    first = program.get("/api/calls?limit=2").json()
    a_call(other_number="+14155550199", created_at=NOON + timedelta(hours=1))

    second = program.get(f"/api/calls?limit=2&cursor={first['next_cursor']}").json()

    assert [call["to"][-2:] for call in second["items"]] == ["01", "00"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "busy"}, ["03"]),
        ({"to": "+14155551201"}, ["01"]),
        ({"to": "1 (415) 555-1201"}, ["01"]),
        ({"since": "2026-11-23T12:00:02Z"}, ["03", "02"]),
        ({"since": "2026-11-23T12:00:02"}, ["03", "02"]),
        ({"since": "2026-11-23T13:00:02+01:00"}, ["03", "02"]),
        ({"until": "2026-11-23T12:00:02Z"}, ["01", "00"]),
        ({"since": "2026-11-24"}, []),
        ({"status": "busy", "to": "+14155551201"}, []),
    ],
    ids=str,
)
def test_calls_are_filtered(program, query, found):
    last = numbered(4)[-1]
    last.status = "busy"
    last.save()

    items = program.get("/api/calls", query).json()["items"]

    assert [call["to"][-2:] for call in items] == found


def test_recordings_are_listed_and_got(program, transcript):
    pk = transcript.recording.pk

    listed = program.get("/api/recordings").json()["items"]
    got = program.get(f"/api/recordings/{pk}").json()

    assert [each["id"] for each in listed] == [pk]
    assert listed[0]["audio"] == f"/api/recordings/{pk}/audio"
    assert listed[0]["call"] == UUID
    assert got["transcripts"][0]["uuid"] == UUID
    assert program.get("/api/recordings?status=absent").json()["items"] == []


def test_audio_comes_whole_or_in_part_and_counts_as_heard(program, transcript):
    address = f"/api/recordings/{transcript.recording.pk}/audio"

    whole = program.get(address)
    part = program.get(address, headers={"Range": "bytes=0-3"})

    assert b"".join(whole.streaming_content)[:4] == b"RIFF"
    assert (part.status_code, b"".join(part.streaming_content)) == (206, b"RIFF")
    assert accesses() == [("ada", "listened", "recording", transcript.recording.pk)]


def test_a_range_behind_the_end_of_the_audio_is_416(program, transcript):
    address = f"/api/recordings/{transcript.recording.pk}/audio"

    answer = program.get(address, headers={"Range": "bytes=99999999-"})

    assert answer.status_code == 416


def test_audio_that_is_not_stored_is_404_and_was_not_heard(program):
    recording = a_recording()

    answer = program.get(f"/api/recordings/{recording.pk}/audio")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "The audio is not stored yet."}
    assert accesses() == []


def test_audio_that_cannot_be_read_now_is_503_with_a_reason(
    program, transcript, monkeypatch
):
    def refuses(storage, name, mode="rb"):
        raise OSError(5, "No answer")

    monkeypatch.setattr(FileSystemStorage, "open", refuses)

    answer = program.get(f"/api/recordings/{transcript.recording.pk}/audio")

    assert answer.status_code == 503
    assert "Try again in a minute." in answer.json()["detail"]


def test_a_transcript_has_its_words_when_asked(program, transcript):
    plain = program.get(f"/api/transcripts/{UUID}").json()
    full = program.get(f"/api/transcripts/{UUID}?words=true").json()

    assert plain["confidence"] == 0.9
    assert plain["words"] is plain["utterances"] is None
    assert full["words"][0].keys() >= {"text", "start_ms", "end_ms", "confidence"}
    said = " ".join(each["text"] for each in full["utterances"])
    assert said == " ".join(word["text"] for word in full["words"])


def test_odd_numbers_of_the_vendor_are_null(program, transcript):
    Transcript.objects.update(audio_seconds=float("inf"))

    answer = program.get(f"/api/transcripts/{UUID}?words=true")

    assert answer.json()["audio_seconds"] is None


@pytest.mark.parametrize("extension", ["txt", "json", "srt", "vtt", "docx", "pdf"])
def test_a_transcript_is_exported(program, transcript, extension):
    answer = program.get(f"/api/transcripts/{UUID}/export/{extension}?times=1")

    assert answer.status_code == 200
    assert extension in answer["Content-Disposition"]
    assert accesses() == [("ada", "read", "transcript", transcript.pk)]


def test_an_unknown_format_is_404(program, transcript):
    assert program.get(f"/api/transcripts/{UUID}/export/exe").status_code == 404
    assert accesses() == []


def said(program, **query):
    items = program.get("/api/transcripts", query).json()["items"]
    return [each["text"] for each in items]


def test_transcripts_are_searched_and_filtered(program, transcript):
    Transcript.objects.create(
        recording=transcript.recording, status="error", text="the cardiology bill"
    )

    assert len(said(program)) == 2
    assert len(said(program, q="cardiology")) == 2
    assert said(program, q="cardiology -ward") == ["the cardiology bill"]
    assert said(program, q='"cardiology ward"', status="error") == []
    assert said(program, q="cardiology", since="2999-01-01") == []
    assert said(program, status="completed") == ["Please call the cardiology ward."]


def test_a_search_takes_the_newest_matches_of_the_period(
    program, transcript, monkeypatch
):
    monkeypatch.setattr(finding, "MAX_RESULTS", 1)
    Transcript.objects.filter(pk=transcript.pk).update(created_at=NOON)
    Transcript.objects.create(
        recording=transcript.recording, status="completed", text="Another ward."
    )

    assert said(program, q="ward") == ["Another ward."]
    day_after = (NOON + timedelta(days=1)).isoformat()
    assert said(program, q="ward", until=day_after) == [transcript.text]


def test_a_search_has_pages_too(program, transcript):
    for number in range(4):
        Transcript.objects.create(
            recording=transcript.recording, status="completed", text=f"ward {number}"
        )

    found, cursor = [], ""
    while cursor is not None:
        query = {"q": "ward", "limit": 2, "cursor": cursor}
        page = program.get("/api/transcripts", query).json()
        found += [each["uuid"] for each in page["items"]]
        cursor = page["next_cursor"]

    assert len(found) == len(set(found)) == 5


# Access entries


@pytest.mark.parametrize(
    "path",
    [
        "/api/transcripts",
        "/api/transcripts?q=cardiology",
        f"/api/transcripts/{UUID}",
        f"/api/calls/{UUID}",
    ],
)
def test_returning_transcript_text_is_logged_as_read(program, transcript, path):
    for _ in range(2):
        assert "cardiology" in program.get(path).text

    assert accesses() == [("ada", "read", "transcript", transcript.pk)]


def test_what_has_no_text_yet_was_not_read(program, transcript):
    Transcript.objects.update(text="", status="queued")

    program.get(f"/api/transcripts/{UUID}")
    program.get("/api/transcripts")
    program.get("/api/calls")

    assert accesses() == []


def test_reading_original_words_is_logged_even_if_all_words_were_removed(
    program, transcript
):
    Transcript.objects.update(text="", original_text=transcript.text, revision=1)

    assert "cardiology" in program.get(f"/api/transcripts/{UUID}").text

    assert accesses() == [("ada", "read", "transcript", transcript.pk)]


def test_a_list_without_texts_is_no_access(program, transcript):
    program.get("/api/calls")
    program.get("/api/recordings")

    assert accesses() == []


def test_fields_without_permission_are_null(transcript):
    program = program_of("eve", ["view_call"])

    call = program.get(f"/api/calls/{UUID}").json()

    assert call["recordings"] is call["transcripts"] is None
    assert accesses() == []


def test_a_recording_hides_its_transcripts_from_who_may_not_read(transcript):
    program = program_of("eve", ["view_recording"])

    recording = program.get(f"/api/recordings/{transcript.recording.pk}").json()

    assert recording["transcripts"] is None
    assert accesses() == []


# Invalid requests


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=" + "9" * 30,
        "limit=all",
        "cursor=x",
        "cursor=%00",
        "cursor=" + "A" * 300,
        "cursor=" + encode_cursor("2026-11-23T12:00:00+00:00 " + "9" * 30),
        "cursor=" + encode_cursor("2026-11-23T12:00:00+00:00 -1"),
        "cursor=" + encode_cursor("0001-01-01T00:00:00+14:00 1"),
        "cursor=" + encode_cursor("9999-12-31T23:59:59-12:00 1"),
        "cursor=" + encode_cursor("yesterday 1"),
        "cursor=" + encode_cursor("1"),
        "since=yesterday",
        "since=0001-01-01",
        "since=9999-12-31T23:59:59-12:00",
        "since=" + "9" * 40,
        "until=%00",
        "status=asleep",
        "status=%00",
        "to=911",
        "to=%00",
        "to=",
        "sort=to",
        "requested_by__password__startswith=pbkdf2",
    ],
)
def test_invalid_parameter_is_422_with_a_message(program, query):
    answer = program.get(f"/api/calls?{query}")

    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)


def test_a_thousand_parameters_are_refused_in_words(program):
    answer = program.get("/api/calls?" + "&".join(f"a{n}=1" for n in range(1200)))

    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.parametrize("query", ["q=", "q=-ward", "q=%00", "q=" + "a" * 301])
def test_a_search_without_a_word_is_422(program, query):
    assert program.get(f"/api/transcripts?{query}").status_code == 422


@pytest.mark.parametrize(
    "cursor", ["x", encode_cursor("-1"), encode_cursor("9" * 30), encode_cursor("²")]
)
def test_a_made_up_cursor_of_a_search_is_422(program, transcript, cursor):
    query = {"q": "ward", "cursor": cursor}

    assert program.get("/api/transcripts", query).status_code == 422


def test_a_cursor_behind_the_last_hit_finds_none(program, transcript):
    query = {"q": "ward", "cursor": encode_cursor(str(2**62))}

    assert program.get("/api/transcripts", query).json()["items"] == []


def test_words_that_take_too_long_are_422(program, monkeypatch):
    def ranked(query, rows):
        raise finding.TooFrequent

    monkeypatch.setattr(finding, "ranked_keys", ranked)

    answer = program.get("/api/transcripts?q=the")

    assert answer.status_code == 422
    assert "rarer" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/nothing",
        "/api/calls/",
        "/api/calls/1",
        f"/api/calls/{UUID}",
        f"/api/transcripts/{UUID}",
        f"/api/transcripts/{UUID}/export/txt",
        "/api/recordings/1",
        "/api/recordings/" + "9" * 30,
        "/api/recordings/" + "9" * 5000,
        "/api/recordings/1/audio",
        "/api/\0",
        "/api/%0D%0A",
    ],
)
def test_unknown_path_or_row_is_404_with_a_message(program, path):
    answer = program.get(path)

    assert answer.status_code == 404
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "FOO"])
def test_unsupported_method_is_405_with_a_message(program, method):
    answer = program.generic(method, "/api/calls")

    assert answer.status_code == 405
    assert answer["Allow"]
    assert method == "HEAD" or answer.json()["detail"]


def test_a_database_that_is_away_is_503_in_words(program, monkeypatch):
    from djtranscribe.api import calls

    def away():
        raise OperationalError("secret of the row")

    monkeypatch.setattr(calls, "calls", away)

    answer = program.get("/api/calls")

    assert answer.status_code == 503
    assert "secret" not in answer.text


# The number of queries


QUERIES = {
    # Each request makes one query for the token and two for permissions. A request that
    # reads texts makes two for the access log. All other queries read rows.
    "/api/calls": 4,
    f"/api/calls/{UUID}": 8,
    "/api/recordings": 4,
    "/api/transcripts": 6,
    "/api/transcripts?q=ward": 7,
    f"/api/transcripts/{UUID}?words=true": 6,
}


@pytest.mark.parametrize("path", QUERIES)
@pytest.mark.parametrize("rows", [1, 20])
def test_number_of_queries_does_not_depend_on_rows(
    program, transcript, django_assert_num_queries, path, rows
):
    words = Vocabulary.objects.create(name="Cardiology")
    for number in range(rows - 1):
        user = User.objects.create_user(f"operator {number}")
        call = a_call(
            other_number=f"+141555512{number:02}",
            status="completed",
            vocabulary=words,
            requested_by=user,
        )
        a_conversation(other_number=f"+141555513{number:02}", status="completed")
        for owner in (call, transcript.recording.call):
            recording = a_recording(sid=None, call=owner)
            Transcript.objects.create(
                recording=recording, status="completed", text="ward", vocabulary=words
            )
    program.get("/api/calls")
    # On PostgreSQL, a search sets a time limit in a transaction: three more queries.
    is_limited = "q=" in path and connection.vendor == "postgresql"

    with django_assert_num_queries(QUERIES[path] + 3 * is_limited):
        assert program.get(path).status_code == 200
