"""Exports of many transcripts from admin's list, as one table or one archive."""

import csv
import io
import re
import zipfile
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from caller.models import Call, Recording
from djtranscribe.models import Access
from tests.caller.rows import NUMBER
from tests.transcription.exports.readers import TEXT, docx_lines, url, visible
from tests.transcription.rows import a_transcript
from transcription.exports import bulk, models
from transcription.exports.content import Options, filename
from transcription.exports.formats import FORMATS
from transcription.models import Export, Transcript

pytestmark = pytest.mark.sql

ADMIN = "/admin/transcription/transcript/"
EXPORT = "11111111-2222-4333-8444-666666666666"


def chosen(*rows):
    return {"action": "export", "_selected_action": [row.pk for row in rows]}


def download(browser, kind, *rows, export=EXPORT, **options):
    """Submit the form of the export page. Return the response and the file."""
    asked = {**chosen(*rows), "kind": kind, "export": export, **options}
    answer = browser.post(ADMIN, asked)
    return answer, b"".join(answer.streaming_content)


@pytest.fixture
def many(transcript):
    others = [
        a_transcript(
            "completed",
            recording=transcript.recording,
            assemblyai_id=str(number),
            text=f"=HYPERLINK({number})",
        )
        for number in range(5)
    ]
    return [transcript, *others]


def test_many_are_one_csv(browser, many, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH_SIZE", 2)

    answer, content = download(browser, "csv", *many)

    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert answer["Content-Disposition"] == 'attachment; filename="transcripts.csv"'
    assert {row["uuid"] for row in rows} == {str(each.uuid) for each in many}
    assert {row["number"] for row in rows} == {NUMBER}
    assert TEXT in {row["text"] for row in rows}
    assert "'=HYPERLINK(3)" in {row["text"] for row in rows}
    assert Access.objects.count() == 6


@pytest.mark.parametrize(
    ("kind", "options", "reads_words", "batches"),
    [
        ("csv", {}, False, 1),
        ("txt", {}, False, 1),
        ("pdf", {}, False, 1),
        ("txt", {"times": "on"}, True, 2),
        ("docx", {"speakers": "on"}, True, 2),
        ("srt", {}, True, 2),
    ],
)
def test_words_are_read_only_if_needed_and_in_small_batches(
    browser, many, kind, options, reads_words, batches
):
    with CaptureQueriesContext(connection) as asked:
        download(browser, kind, *many, **options)

    texts = [
        query["sql"]
        for query in asked
        if '"transcription_transcript"."text"' in query["sql"]
    ]
    assert len(texts) == batches
    assert ['"words"' in each for each in texts] == [reads_words] * batches


@pytest.mark.parametrize("has_call", [True, False])
def test_the_date_is_that_of_the_call_even_if_it_is_transcribed_later(
    browser, transcript, has_call
):
    at = datetime.fromisoformat("2026-03-03T10:15:00+00:00")
    if has_call:
        Call.objects.update(created_at=at)
    else:
        Recording.objects.update(created_at=at, call=None)

    word = browser.get(url(transcript, "docx"))
    _, content = download(browser, "csv", transcript)

    assert "3 March 2026, 10:15 UTC" in docx_lines(word.content)[1]
    assert "transcript-2026-03-03-" in word["Content-Disposition"]
    as_json = browser.get(url(transcript, "json")).json()
    [row] = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert row["recorded"] == as_json["recorded_at"] == at.isoformat()
    assert row["created"] == as_json["created_at"] != row["recorded"]
    for path in (f"/transcripts/{transcript.uuid}/print/", "/search/?q=cardiology"):
        assert "3 March 2026, 10:15" in browser.get(path).text


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_formulas_are_escaped(begin):
    assert bulk.escape_formula(f"{begin}A1") == f"'{begin}A1"
    assert bulk.escape_formula(f"1{begin}") == f"1{begin}"
    assert bulk.escape_formula(None) == ""


@pytest.mark.parametrize("number", [NUMBER, "-0.5", "+1", "-12", "0.93", "1e5"])
def test_numbers_are_not_escaped_in_csv(number):
    assert bulk.escape_formula(number) == number


@pytest.mark.parametrize("formula", ["+1+cmd|' /C calc'!A0", "-2+3", "+1-2", "+A1"])
def test_formula_starting_with_a_number_is_escaped(formula):
    assert bulk.escape_formula(formula) == f"'{formula}"


@pytest.mark.parametrize(("length", "is_noted"), [(32_767, False), (32_768, True)])
def test_text_too_long_for_a_cell_is_complete_and_gets_a_note(
    browser, transcript, length, is_noted
):
    Transcript.objects.filter(pk=transcript.pk).update(text="x" * length)

    _, content = download(browser, "csv", transcript)

    csv.field_size_limit(10**6)
    [row] = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert row["text"] == "x" * length
    assert ("first 32,767" in row["note"]) == is_noted


@pytest.mark.parametrize("extension", FORMATS)
def test_many_are_one_zip(browser, many, extension):
    answer, content = download(browser, extension, *many)

    archive = zipfile.ZipFile(io.BytesIO(content))
    assert answer.streaming
    assert archive.testzip() is None
    assert len(archive.namelist()) == 6
    name = filename(many[0], extension)
    assert "cardiology ward." in visible(extension, archive.read(name))


def test_a_pdf_that_cannot_be_made_is_named_in_the_zip(
    browser, transcript, no_system_fonts
):
    Transcript.objects.filter(pk=transcript.pk).update(text="会", words=[])

    _, content = download(browser, "pdf", transcript)

    archive = zipfile.ZipFile(io.BytesIO(content))
    [name] = archive.namelist()
    assert name.endswith(".pdf-was-not-made.txt")
    assert "no font on the server has the letter “会”" in archive.read(name).decode()


def test_access_is_logged_only_when_the_export_is_sent(many, operator):
    pieces = bulk.zip_pieces(
        bulk.batches(Transcript.objects.all(), operator, "words"), "txt", Options()
    )

    assert not Access.objects.exists()
    assert next(pieces).startswith(b"PK")
    assert Access.objects.count() == 6


def test_export_keeps_no_query_open_between_batches(many, operator, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH_SIZE_WITH_WORDS", 2)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE scratch (id integer)")
        batches = bulk.batches(Transcript.objects.all(), operator)
        next(batches)
        # On SQLite, this fails if a SELECT is still open.
        cursor.execute("DROP TABLE scratch")

    assert sum(map(len, batches)) == 4


def test_transcript_deleted_during_an_export_is_skipped(many, operator, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH_SIZE_WITH_WORDS", 4)
    batches = bulk.batches(Transcript.objects.order_by("pk"), operator)
    next(batches)
    many[-1].delete()

    assert list(batches) == [[many[-2]]]


def test_bulk_export_requires_permission_to_read(client, django_user_model, many):
    client.force_login(django_user_model.objects.create_user("no", is_staff=True))

    answer = client.post(ADMIN, {**chosen(*many), "kind": "csv", "export": EXPORT})

    assert answer.status_code == 403
    assert not Export.objects.exists()


def test_the_action_asks_for_the_kind_of_file_first(browser, many):
    page = browser.post(ADMIN, chosen(*many)).text

    assert "The file will contain 6 transcripts" in page
    for each in many:
        assert f'name="_selected_action" value="{each.pk}"' in page
    # Nothing has been exported yet.
    assert not Export.objects.exists()
    assert not Access.objects.exists()


def test_unknown_file_kind_shows_the_form_again(browser, many):
    page = browser.post(ADMIN, {**chosen(*many), "kind": "exe", "export": EXPORT})

    assert "not one of the available choices" in page.text
    assert not Export.objects.exists()


@pytest.mark.parametrize("export", ["", "odd", "\0", EXPORT.upper(), f"{{{EXPORT}}}"])
@pytest.mark.parametrize("kind", ["exe", "csv"])
def test_invalid_export_id_causes_no_error(browser, many, kind, export):
    answer = browser.post(ADMIN, {**chosen(*many), "kind": kind, "export": export})

    assert answer.status_code == 200
    assert answer.streaming == (kind == "csv")


def test_select_across_exports_all_matching_transcripts(browser, many):
    _, content = download(browser, "csv", many[0], select_across="1")

    assert content.count(b"\n") == 7


def test_the_files_of_a_zip_have_times_and_speakers_if_asked_for(browser, transcript):
    _, content = download(browser, "txt", transcript, times="on", speakers="on")

    archive = zipfile.ZipFile(io.BytesIO(content))
    assert b"[0:00 Speaker A]" in archive.read(archive.namelist()[0])


def progress(browser, export=EXPORT, address=""):
    address = address or f"/exports/{export}/progress/"
    return " ".join(browser.get(address).text.split())


def polled_to_the_end(browser):
    """Poll as the page does. Return (last text, number of polls)."""
    said, polls = progress(browser), 1
    while (following := re.search('hx-get="([^"]+)"', said)) and polls < 100:
        said, polls = progress(browser, address=following[1]), polls + 1
    return said, polls


def test_a_download_that_never_began_ends_its_polling(browser):
    said, polls = polled_to_the_end(browser)

    assert "The download did not start." in said
    assert 30 <= polls < 40


def test_polling_somebody_elses_download_ends_too(browser, django_user_model):
    other = django_user_model.objects.create_user("other")
    Export.objects.create(uuid=EXPORT, user=other, kind="CSV", total=6)

    said, polls = polled_to_the_end(browser)

    assert "The download did not start." in said
    assert polls < 40


def test_a_download_that_begins_late_is_followed(browser, operator):
    for _ in range(20):
        progress(browser)
    Export.objects.create(uuid=EXPORT, user=operator, kind="CSV", total=6)

    late = progress(browser, address=f"/exports/{EXPORT}/progress/?asked=99")

    assert 'max="6" value="0"' in late
    assert "hx-get" in late


@pytest.mark.parametrize(
    "odd",
    ["", "-1", "x", "²", "9" * 99, "1&asked=x", "%00", "1e9", "1&ended=x"],
)
def test_invalid_poll_count_causes_no_error(browser, odd):
    said = progress(browser, address=f"/exports/{EXPORT}/progress/?asked={odd}")

    assert "Starting the download" in said


def test_download_progress_is_reported(browser, many, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH_SIZE", 2)
    monkeypatch.setattr(models, "SAVE_INTERVAL", timedelta(0))
    before = progress(browser)

    asked = {**chosen(*many), "kind": "csv", "export": EXPORT}
    pieces = iter(browser.post(ADMIN, asked).streaming_content)
    next(pieces)
    next(pieces)
    amid = progress(browser)
    list(pieces)
    after = progress(browser)

    assert "Starting" in before
    assert 'max="6" value="2"' in amid
    assert "hx-get" in amid
    assert 'name="ended"' not in amid
    assert "Download complete: 6 transcripts." in after
    assert "hx-get" not in after


def test_progress_is_reported_after_each_file_of_a_zip(browser, many, monkeypatch):
    monkeypatch.setattr(models, "SAVE_INTERVAL", timedelta(0))
    asked = {**chosen(*many), "kind": "txt", "export": EXPORT}
    pieces = iter(browser.post(ADMIN, asked).streaming_content)
    for _ in range(3):
        next(pieces)

    assert 'max="6" value="2"' in progress(browser)


@pytest.mark.parametrize(
    ("minutes", "sentence", "polls"),
    [(1, "2 of 6", True), (3, "stopped after 2 of 6", False)],
)
def test_stalled_download_is_reported_as_stopped(
    browser, operator, many, minutes, sentence, polls
):
    Export.objects.create(
        uuid=EXPORT,
        user=operator,
        kind="CSV",
        total=6,
        sent=2,
        moved_at=timezone.now() - timedelta(minutes=minutes),
    )

    said = progress(browser)

    assert sentence in said
    assert ("stopped" not in said) == ("hx-get" in said) == polls


def test_download_progress_is_hidden_from_other_users(browser, django_user_model, many):
    other = django_user_model.objects.create_user("other")
    Export.objects.create(uuid=EXPORT, user=other, kind="CSV", total=6, sent=2)

    assert "6" not in re.sub("<[^>]+>", "", progress(browser))


def test_the_progress_follows_the_newest_download_of_the_page(browser, many):
    download(browser, "csv", *many)
    first = progress(browser)
    [ended] = re.findall('name="ended" value="([0-9]+)"', first)
    address = f"/exports/{EXPORT}/progress/?ended={ended}"

    before = progress(browser, address=address)
    asked = {**chosen(*many), "kind": "csv", "export": EXPORT}
    pieces = iter(browser.post(ADMIN, asked).streaming_content)
    next(pieces)
    amid = progress(browser, address=address)
    list(pieces)
    after = progress(browser, address=address)

    assert "Download complete" in first
    assert "Starting the download" in before
    assert f'name="ended" value="{ended}"' in before
    assert "0 of 6" in amid
    assert "hx-get" in amid
    assert "Download complete" in after
    assert f'name="ended" value="{ended}"' not in after


def test_a_button_pressed_twice_is_two_exports(browser, operator, many):
    for _ in range(2):
        download(browser, "csv", *many)

    assert [row.sent for row in Export.objects.filter(user=operator)] == [6, 6]
