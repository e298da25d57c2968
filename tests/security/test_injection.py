"""Hostile text in a field stays text.

We open no URL and no file that the text names. The text never becomes XML, HTML or a
header.
"""

import logging
from html.parser import HTMLParser
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest
import responses
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from twilio.request_validator import RequestValidator

from caller.models import Call, DoNotCall, Recording
from djtranscribe.models import VendorPause, WebhookDelivery
from tests.caller.rows import (
    CALL_SID,
    CALLS,
    MEDIA,
    RECORDING_SID,
    TYPED,
    a_call,
    a_recording,
    call_path,
    deliveries,
    record_path,
    recording_path,
)
from tests.data import load, wav
from tests.transcription.rows import JOB_ID, answers_well, nudge
from transcription.models import Transcript, Vocabulary
from transcription.tasks import advance

FORM = "application/x-www-form-urlencoded"
XSS = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}{% now 'Y' %}"


# We open no URL that a request names

ELSEWHERE = [
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1:5432/",
    "file:///etc/passwd",
    "https://evil.example/x.wav",
    "https://api.twilio.com@evil.example/x.wav",
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("url", ELSEWHERE)
def test_the_audio_is_fetched_from_twilio_whatever_address_a_webhook_names(
    signed_post, vendors, work, url
):
    call = a_call(sid=CALL_SID, status="completed")
    vendors.get(MEDIA, body=wav(), content_type="audio/x-wav")
    answers_well(vendors)
    named = dict.fromkeys(("RecordingUrl", "StatusCallback", "Url", "Uri"), url)

    answer = signed_post(
        recording_path(call), load("twilio/recording-callback", **named)
    )
    work()

    assert answer.status_code == 204
    assert Recording.objects.get().audio
    hosts = {request.request.url.split("/")[2] for request in vendors.calls}
    assert hosts == {"api.twilio.com", "api.assemblyai.com"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("url", ELSEWHERE)
def test_urls_in_call_webhooks_are_never_requested(signed_post, vendors, work, url):
    call = a_call(sid=CALL_SID, status="ringing")
    for path, fields in deliveries(call)[:-1]:
        signed_post(path, {**fields, "RecordingUrl": url, "CallbackUrl": url})

    work()

    asked = [request.request.url for request in vendors.calls]
    assert not [each for each in asked if each.split("/")[2] != "api.twilio.com"]


@pytest.mark.django_db
@pytest.mark.parametrize("url", ELSEWHERE)
def test_urls_in_assemblyai_webhooks_are_never_requested(client, vendors, url):
    recording = a_recording()
    transcript = Transcript.objects.create(
        recording=recording, status="queued", assemblyai_id=JOB_ID
    )

    said = {"transcript_id": url, "audio_url": url, "status": "completed"}
    answer = nudge(client, transcript, said)

    assert answer.status_code == 204
    assert len(vendors.calls) == 0


SIDS = [
    "../../../etc/passwd",
    "RE" + "0" * 30 + "/..",
    "RE..%2f..%2fCalls",
    "https://evil.example/",
    "RE" + "0" * 31 + "3\n",
    "RE" + "0" * 32 + "?x=",
    "re" + "0" * 32,
]


@pytest.mark.django_db
@pytest.mark.parametrize("sid", SIDS)
def test_a_recording_whose_sid_is_a_path_is_not_taken(signed_post, vendors, sid):
    call = a_call(sid=CALL_SID, status="completed")
    fields = load("twilio/recording-callback", RecordingSid=sid)

    answer = signed_post(recording_path(call), fields)

    assert answer.status_code == 404
    assert not Recording.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("sid", [*SIDS, "CA" + "0" * 31 + "2\0", "CA" + "g" * 32])
def test_twilio_is_not_asked_about_a_call_whose_sid_is_a_path(browser, vendors, sid):
    answer = browser.get(f"/get-recording-url/{quote(sid, safe='')}/")

    assert answer.status_code == 404
    assert len(vendors.calls) == 0


# We open no file that a request names


@pytest.fixture
def secret_file(media):
    media.mkdir(parents=True, exist_ok=True)
    outside = media.parent / "secret.txt"
    outside.write_text("the family silver")
    return outside


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name", ["../secret.txt", "recordings/../../secret.txt", "/etc/passwd", "{outside}"]
)
def test_audio_outside_of_its_folder_is_not_served(browser, secret_file, name):
    recording = a_recording(audio=name.format(outside=secret_file))
    browser.raise_request_exception = False

    answer = browser.get(recording.audio_url)

    assert answer.status_code in (400, 404)
    assert b"silver" not in answer.content
    assert b"root:" not in answer.content


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        "/recordings/../../secret.txt/audio/",
        "/recordings/..%2f..%2fsecret.txt/audio/",
        "/static/../secret.txt",
        "/static/..%2f..%2fdjtranscribe/settings.py",
        "/static/%2e%2e/%2e%2e/manage.py",
        "/static//etc/passwd",
        "/media/recordings/x.wav",
        "/recordings/x.wav",
        "/db.sqlite3",
        "/.env",
        "/.git/config",
    ],
)
def test_no_path_leads_to_a_file_of_ours(browser, secret_file, path):
    answer = browser.get(path)

    assert answer.status_code == 404
    for word in ("silver", "SECRET_KEY", "root:", "[core]"):
        assert word not in answer.text


@pytest.mark.django_db
def test_audio_is_stored_under_names_of_our_own(media):
    recording = a_recording()
    recording.store_audio([wav()])

    stored = [path for path in media.rglob("*") if path.is_file()]
    assert [path.parent for path in stored] == [media / "recordings"]


# Headers


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name", ['x".wav', "x\r\nSet-Cookie: a=b.wav", "ü😀.wav", "x;y=z.wav", "x\0.wav"]
)
def test_a_files_name_makes_no_header(browser, media, name):
    recording = a_recording()
    recording.store_audio([wav()])
    stored = media / recording.audio.name
    safe = name.replace("\0", "")
    stored.rename(stored.with_name(safe))
    Recording.objects.update(audio=f"recordings/{safe}")
    browser.raise_request_exception = False

    for headers in ({}, {"Range": "bytes=0-9"}):
        answer = browser.get(recording.audio_url, headers=headers)
        if answer.status_code in (200, 206):
            b"".join(answer.streaming_content)
        assert "Set-Cookie" not in answer.headers
        assert "\n" not in answer.headers.get("Content-Disposition", "")
        assert not answer.cookies


@pytest.mark.django_db
@pytest.mark.parametrize(
    "number",
    [
        "14155551234\r\nSet-Cookie: a=b",
        "14155551234%0d%0aX: y",
        "//evil.example",
        "https://evil.example",
        "\\\\evil.example",
        "1415555123４",
    ],
)
def test_the_dial_box_sends_nobody_elsewhere(browser, number):
    answer = browser.get("/dial/", {"number": number})

    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert set(answer.cookies) <= {"csrftoken"}


# XML

NOTICES = [
    "</Say><Dial>+19002345678</Dial><Say>",
    "<![CDATA[ ]]><Redirect>https://evil.example</Redirect>",
    "Tom & Jerry <say-as>",
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e;',
    "Grüße, 世界, 😀",
]


@pytest.mark.django_db
@pytest.mark.parametrize("notice", NOTICES)
def test_markup_in_the_notice_adds_no_twiml_verbs(signed_post, settings, notice):
    settings.RECORDING_NOTICE = notice
    call = a_call(sid=CALL_SID, status="ringing")

    answer = signed_post(record_path(call), load("twilio/twiml-request"))

    document = ElementTree.fromstring(answer.text)
    assert [element.tag for element in document] == ["Say", "Record", "Say", "Hangup"]
    assert document[0].text == notice
    assert list(document[0]) == []


@pytest.mark.django_db
def test_webhook_fields_are_not_copied_into_twiml(signed_post):
    call = a_call(sid=CALL_SID, status="ringing")
    bad = "</Say><Dial>+19002345678</Dial>"

    answer = signed_post(
        record_path(call),
        load("twilio/twiml-request", CallerName=bad, CallStatus=bad, Direction=bad),
    )

    assert "Dial" not in answer.text


# HTML


@pytest.fixture
def hostile_rows(db):
    """Create rows with hostile text in the fields that people and vendors fill."""
    user = User.objects.create_user("root<b>", is_staff=True, is_superuser=True)
    vocabulary = Vocabulary.objects.create(name=XSS[:80], terms=XSS)
    call = a_call(
        sid=CALL_SID,
        other_number="+1<script>alert",
        status="completed",
        error=XSS,
        notice=XSS,
        requested_by=user,
        vocabulary=vocabulary,
        next_check_at=None,
        price_unit="<b>",
        price=1,
    )
    refused = a_call(other_number="+14155550002", status="failed", error=XSS)
    recording = a_recording(call=call, error=XSS, source=XSS[:40])
    recording.store_audio([wav()])
    words = [{"text": XSS, "start": 0, "end": 9, "confidence": 0.4, "speaker": XSS}]
    transcript = Transcript.objects.create(
        recording=recording,
        status="completed",
        text=f"needle {XSS}",
        words=words,
        vocabulary=vocabulary,
        language=XSS[:20],
        model_used=XSS[:40],
        request={"x": XSS},
        response={XSS: XSS},
        error=XSS,
    )
    failed = Transcript.objects.create(recording=recording, status="error", error=XSS)
    DoNotCall.objects.create(number="+14155550003", reason=XSS)
    WebhookDelivery.objects.create(
        kind="twilio-call",
        verdict="accepted",
        reason=XSS,
        about="<script>alert(1)</script>",
        body={XSS: XSS},
        answer_status=204,
    )
    VendorPause.objects.create(
        vendor="<b>twilio</b>", reason=XSS, probe_at=call.created_at
    )
    client = Client()
    client.force_login(user)
    return client, [call, refused], [transcript, failed], recording


class Planted(HTMLParser):
    """Find inline scripts and event handlers. No template of ours has them."""

    def __init__(self):
        super().__init__()
        self.found = []

    @classmethod
    def in_page(cls, text):
        parser = cls()
        parser.feed(text)
        return parser.found

    def handle_starttag(self, tag, attrs):
        names = {name for name, _ in attrs}
        runs = tag == "script" and "src" not in names
        runs = runs and dict(attrs).get("type") != "application/json"
        if runs or any(name.startswith("on") for name in names):
            self.found.append((tag, attrs))


def pages_with_rows(hostile_rows):
    _, calls, *_ = hostile_rows
    yield "/"
    yield "/search/?q=needle"
    yield f"/search/?{urlencode({'q': XSS})}"
    for call in calls:
        yield call.get_absolute_url()
    yield f"/dial/14155550009/?{urlencode({'x': XSS})}"
    yield f"/dial/?{urlencode({'number': XSS})}"
    yield f"/nothing/{XSS}"
    for model in admin.site._registry:
        table = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield table
        if admin.site._registry[model].search_fields:
            yield f"{table}?{urlencode({'q': XSS})}"
        for row in model.objects.all():
            for end in ("change", "history", "delete"):
                yield f"{table}{row.pk}/{end}/"
    yield "/admin/"


def test_user_text_is_escaped_in_pages(hostile_rows):
    client, *_ = hostile_rows
    client.raise_request_exception = False
    seen = ""

    for path in pages_with_rows(hostile_rows):
        answer = client.get(path)
        assert answer.status_code in (200, 302, 400, 403, 404), (path, answer)
        text = answer.text
        seen += text
        for hostile in ("<script>alert", "<img src=x", "root<b>", "<b>twilio"):
            assert hostile not in text, (path, hostile)
        assert not Planted.in_page(text), path

    # The hostile text was on the pages, but escaped.
    assert "&lt;script&gt;alert(1)" in seen
    assert "{{7*7}}" in seen, "and no template's tag was run"
    assert "49&lt;" not in seen


def test_user_text_is_escaped_in_htmx_fragments(hostile_rows):
    client, calls, *_ = hostile_rows

    for call in calls:
        text = client.get(call.get_absolute_url(), headers={"HX-Request": "true"}).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


def test_plain_text_is_said_to_be_plain(hostile_rows, client):
    answer = hostile_rows[0].get(f"/get-recording-url/{XSS}/")
    refused = client.post("/record/?call=<script>", "a=1", content_type=FORM)

    assert refused["Content-Type"] == "text/plain; charset=utf-8"
    assert "<script>" not in refused.text
    assert answer["Content-Type"].startswith(("text/plain", "text/html"))
    assert "<script>alert" not in answer.text


def test_audio_that_is_html_in_disguise_is_served_as_audio(browser, db):
    recording = a_recording()
    recording.store_audio([b"ID3<html><script>alert(1)</script>"])

    answer = browser.get(recording.audio_url)
    b"".join(answer.streaming_content)

    assert answer["Content-Type"] == "audio/mpeg"
    assert answer["X-Content-Type-Options"] == "nosniff"


# SQL


@pytest.mark.sql
@pytest.mark.parametrize(
    "text", ["' OR 1=1 --", '" OR ""="', "%' ESCAPE 'x", "a*b", ") OR (1=1", "NEAR(a b"]
)
def test_search_text_cannot_inject_sql(hostile_rows, text):
    client, *_ = hostile_rows

    for path in (
        "/search/",
        "/admin/transcription/transcript/",
        "/admin/caller/call/",
    ):
        answer = client.get(path, {"q": text})
        assert answer.status_code == 200, path


# Secrets

SECRETS = ("tests-only-token", "tests-only-key", '"tests-only"', "tests-only\n")


def assert_no_secret(text, where):
    for secret in SECRETS:
        assert secret not in text, where


def test_no_page_shows_a_secret(hostile_rows):
    client, *_ = hostile_rows
    client.raise_request_exception = False

    for path in pages_with_rows(hostile_rows):
        assert_no_secret(client.get(path).text, path)


@pytest.mark.django_db
def test_no_error_page_shows_a_secret_and_no_log_either(
    browser, vendors, caplog, monkeypatch
):
    caplog.set_level(logging.DEBUG)
    browser.raise_request_exception = False
    token = "tests-only-token"

    def fault(*args, **options):
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr("caller.dialling.reason_to_refuse", fault)
    answer = browser.get("/dial/14155551234/", headers=TYPED)

    assert answer.status_code == 500
    assert "RuntimeError" not in answer.text
    assert_no_secret(answer.text, "the page")
    assert token not in caplog.text
    assert "5551234" not in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 302])
def test_whatever_twilio_answers_no_secret_is_shown_kept_or_logged(
    browser, vendors, caplog, status
):
    caplog.set_level(logging.DEBUG)
    body = {"message": "AC0: tests-only-token +14155551234", "code": 20003}
    vendors.add(responses.POST, CALLS, json=body, status=status)

    page = browser.post("/dial/14155551234/", follow=True).text

    assert_no_secret(page, "the page")
    assert_no_secret(str(list(Call.objects.values())), "the row")
    assert_no_secret(caplog.text, "the log")


@pytest.mark.django_db
def test_a_refused_webhook_keeps_and_says_no_secret(client, caplog):
    call = a_call(sid=CALL_SID, status="ringing")
    path = call_path(call)
    forged = RequestValidator("x").compute_signature(path, {})

    answer = client.post(
        path,
        "AccountSid=x&Password=hunter2",
        content_type=FORM,
        headers={"X-Twilio-Signature": forged},
    )

    kept = str(list(WebhookDelivery.objects.values()))
    for text in (answer.text, kept, caplog.text):
        assert_no_secret(text, "refusal")
        assert "hunter2" not in text
        assert forged not in text


@pytest.mark.django_db
def test_the_audio_is_asked_for_with_credentials_that_no_redirect_passes_on(
    vendors, work, transactional_db
):
    """Twilio redirects us to its storage, which must not get our token."""
    recording = a_recording(call=a_call(sid=CALL_SID, status="completed"))
    Transcript.objects.create(recording=recording)
    storage = "https://storage.example.com/x.wav"
    vendors.get(MEDIA, status=307, headers={"Location": storage})
    vendors.get(storage, body=wav(), content_type="audio/x-wav")
    answers_well(vendors)
    advance.call(Transcript.objects.get().pk)

    asked = {call.request.url: call.request.headers for call in vendors.calls}
    assert "Authorization" in asked[MEDIA]
    assert "Authorization" not in asked.get(storage, {})
    assert RECORDING_SID in MEDIA
