"""No server can block one of our threads forever or fill the memory.

The tests use real sockets. A server that drips sends single bytes with pauses.
"""

import threading
import time
from contextlib import contextmanager, suppress
from uuid import uuid4

import pytest

from caller.recordings import audio
from caller.twilio import client as twilio_client
from caller.twilio import connection as twilio_connection
from caller.twilio.errors import TwilioError
from djtranscribe.vendors import deadlines
from djtranscribe.vendors import email as outgoing_email
from djtranscribe.vendors.email import EmailError
from tests.caller.rows import CALL_SID, RECORDING_SID, a_recording
from tests.chaos.waiting import free_port, until
from tests.data import wav
from tests.live.receiver import listening, mail_server
from transcription.assemblyai import client as assemblyai_client
from transcription.assemblyai.client import AssemblyAIError
from transcription.notifications import webhook as outgoing_webhook
from transcription.notifications.webhook import WebhookError

LIMIT = 1
# A request must end within this many seconds. The answers of `server` never end.
PATIENCE = 10

OK = b"HTTP/1.1 200 OK\r\n"
LONG = OK + b"Content-Length: 100000\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
NO_LENGTH = OK + b"Connection: close\r\n\r\n"
HANDSHAKE = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
HEADER_DRIPS = {
    "status line": (b"HTTP/1.1 200 ", b"y"),
    "one header": (OK + b"X: ", b"y"),
    "many headers": (OK, b"X: y\r\n"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
BODY_DRIPS = {
    "with a length": (LONG, b" "),
    "in chunks": (CHUNKED, b"1\r\n \r\n"),
    "chunk size": (CHUNKED + b"1;", b"x"),
    "until the end": (NO_LENGTH, b" "),
}
DRIPS = HEADER_DRIPS | BODY_DRIPS
# AssemblyAI's client is tested with all DRIPS. The other clients use the same adapter,
# so a few are enough.
FEW_DRIPS = {name: DRIPS[name] for name in ("one header", "in chunks")}
# The function `chunks` reads streamed bodies, with limits of its own. It is tested with
# all BODY_DRIPS.
STREAM_DRIPS = {"one header": HEADER_DRIPS["one header"]} | BODY_DRIPS


@contextmanager
def server(first, more, pause=0.1, speaks_first=False):
    """Run a server that sends `first`, then `more` again and again. Yield its port."""
    port, over = free_port(), threading.Event()

    def serve(connection):
        with connection, suppress(OSError):
            if not speaks_first:
                connection.recv(65536)
            connection.sendall(first)
            while not over.wait(pause):
                connection.sendall(more)

    def take(connection):
        threading.Thread(target=serve, args=[connection], daemon=True).start()

    with listening(port, take):
        yield port
        over.set()


@contextmanager
def in_time():
    began = time.monotonic()
    yield
    assert time.monotonic() - began < PATIENCE


def limit_requests(monkeypatch, seconds):
    # The two values are for connect and read. Their sum limits the request.
    for module in (assemblyai_client, twilio_connection, twilio_client, audio):
        monkeypatch.setattr(module, "TIMEOUT_SECONDS", (seconds / 2, seconds / 2))
    monkeypatch.setattr(outgoing_webhook, "TIMEOUT_SECONDS", seconds)
    monkeypatch.setattr(outgoing_email, "TOTAL_SECONDS", seconds)
    monkeypatch.setattr(deadlines, "CHUNK_SECONDS", seconds)


@pytest.fixture
def patient(monkeypatch):
    """Raise the time limits, so that they do not end these requests."""
    limit_requests(monkeypatch, 3 * PATIENCE)


@pytest.fixture(autouse=True)
def short(monkeypatch, vendors, settings):
    vendors.add_passthru("https://127.0.0.1:")
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    limit_requests(monkeypatch, LIMIT)
    settings.NOTIFY_SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]


def notify(settings, port, scheme="http"):
    settings.NOTIFY_URL = f"{scheme}://127.0.0.1:{port}/"
    return outgoing_webhook.send(uuid4(), {})


# Webhooks


@pytest.mark.slow
@pytest.mark.parametrize(("first", "more"), HEADER_DRIPS.values(), ids=HEADER_DRIPS)
def test_slow_webhook_receiver_times_out(settings, first, more):
    with (
        server(first, more) as port,
        in_time(),
        pytest.raises(WebhookError, match="did not answer within"),
    ):
        notify(settings, port)


@pytest.mark.slow
def test_slow_tls_handshake_times_out(settings):
    with (
        server(HANDSHAKE, b"\0") as port,
        in_time(),
        pytest.raises(WebhookError, match=r"did not answer within|certificate"),
    ):
        notify(settings, port, "https")


@pytest.mark.parametrize(("first", "more"), BODY_DRIPS.values(), ids=BODY_DRIPS)
def test_response_body_of_a_receiver_is_not_awaited(settings, patient, first, more):
    with server(first, more) as port, in_time():
        assert notify(settings, port) == "HTTP status 200"


# Vendors' answers


@pytest.mark.slow
@pytest.mark.parametrize(("first", "more"), DRIPS.values(), ids=DRIPS)
def test_slow_answer_of_assemblyai_times_out(settings, first, more):
    with server(first, more) as port:
        settings.ASSEMBLYAI_API_URL = f"http://127.0.0.1:{port}"
        with in_time(), pytest.raises(AssemblyAIError) as caught:
            assemblyai_client.fetch("x")

    assert "did not answer in time" in caught.value.message
    assert caught.value.maybe_done


@pytest.mark.slow
@pytest.mark.parametrize(("first", "more"), FEW_DRIPS.values(), ids=FEW_DRIPS)
def test_slow_answer_of_twilio_times_out(settings, first, more):
    with server(first, more) as port:
        settings.TWILIO_API_URL = f"http://127.0.0.1:{port}"
        with in_time(), pytest.raises(TwilioError) as caught:
            twilio_client.fetch_call(CALL_SID)

    assert "did not answer in time" in caught.value.message
    assert caught.value.maybe_done


def test_slow_answer_on_a_reused_connection_times_out(settings):
    def serve(connection):
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
            connection.recv(65536)
            connection.sendall(OK + b"X: ")
            while True:
                connection.sendall(b"y")
                time.sleep(0.1)

    port = free_port()
    with listening(port, serve):
        settings.ASSEMBLYAI_API_URL = f"http://127.0.0.1:{port}"
        assert assemblyai_client.fetch("x") == {}
        with in_time(), pytest.raises(AssemblyAIError, match="in time"):
            assemblyai_client.fetch("x")


@pytest.mark.parametrize(
    "ask",
    [lambda: assemblyai_client.fetch("x"), lambda: twilio_client.fetch_call(CALL_SID)],
    ids=["assemblyai", "twilio"],
)
@pytest.mark.parametrize("start", [CHUNKED, NO_LENGTH], ids=["chunked", "to the end"])
def test_endless_answer_is_refused(settings, patient, monkeypatch, ask, start):
    monkeypatch.setattr(deadlines, "MAX_BODY_BYTES", 1024**2)
    piece = b"x" * 65536
    more = b"10000\r\n" + piece + b"\r\n" if start == CHUNKED else piece
    with server(start, more, pause=0.01) as port:
        settings.ASSEMBLYAI_API_URL = settings.TWILIO_API_URL = (
            f"http://127.0.0.1:{port}"
        )
        with in_time(), pytest.raises((AssemblyAIError, TwilioError)) as caught:
            ask()

    assert "could not be understood" in caught.value.message


def test_an_upload_may_take_longer_than_the_answer_to_it(settings):
    class Slow:
        def __iter__(self):
            for _ in range(6):
                time.sleep(0.3)
                yield b"x" * 1000

    body = b'{"upload_url": "https://cdn.example.com/1"}'

    def serve(connection):
        with connection, suppress(OSError):
            sent = b""
            while not sent.endswith(b"0\r\n\r\n"):
                sent += connection.recv(65536)
            head = OK + b"Content-Length: %d\r\n\r\n" % len(body)
            connection.sendall(head + body)

    port = free_port()
    with listening(port, serve):
        settings.ASSEMBLYAI_API_URL = f"http://127.0.0.1:{port}"
        assert assemblyai_client.upload(Slow()) == "https://cdn.example.com/1"


@pytest.mark.slow
@pytest.mark.parametrize(("first", "more"), FEW_DRIPS.values(), ids=FEW_DRIPS)
def test_slow_answer_to_an_upload_times_out(settings, first, more):
    with server(first, more) as port:
        settings.ASSEMBLYAI_API_URL = f"http://127.0.0.1:{port}"
        with in_time(), pytest.raises(AssemblyAIError, match="in time"):
            assemblyai_client.upload(iter([b"x" * 100]))


# Audio


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize(("first", "more"), STREAM_DRIPS.values(), ids=STREAM_DRIPS)
def test_slow_audio_download_times_out(settings, first, more):
    recording = a_recording()
    with server(first, more) as port:
        settings.TWILIO_API_URL = f"http://127.0.0.1:{port}"
        with in_time(), pytest.raises(TwilioError, match="in time") as caught:
            recording.fetch_audio(lambda: None)

    assert not caught.value.permanent
    assert not recording.audio


@pytest.mark.slow
@pytest.mark.parametrize(("first", "more"), FEW_DRIPS.values(), ids=FEW_DRIPS)
def test_slow_download_by_the_command_times_out(first, more):
    with (
        server(first, more) as port,
        in_time(),
        pytest.raises(audio.NotAudio, match="could not be downloaded"),
    ):
        list(audio.download(f"http://127.0.0.1:{port}/a.wav"))


@pytest.mark.slow
@pytest.mark.django_db
def test_steady_slow_audio_download_is_completed(settings):
    # The limit applies to 64 KiB, which take 0.2 s here.
    sound = wav(seconds=60)
    pieces = [sound[at : at + 20_000] for at in range(0, len(sound), 20_000)]

    def serve(connection):
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(sound))
            for piece in pieces:
                time.sleep(0.05)
                connection.sendall(piece)

    recording = a_recording()
    port = free_port()
    with listening(port, serve):
        settings.TWILIO_API_URL = f"http://127.0.0.1:{port}"
        began = time.monotonic()
        recording.fetch_audio(lambda: None)

    assert time.monotonic() - began > 2 * LIMIT
    assert recording.audio.size == len(sound)


def test_a_redirect_with_a_body_without_end_is_followed(settings, patient):
    with server(OK + b"Content-Length: 2\r\n\r\nhi", b"") as end:
        head = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{end}/\r\n\r\n"
        with server(head.encode(), b"x") as port:
            settings.TWILIO_API_URL = f"http://127.0.0.1:{port}"
            with in_time(), twilio_client.open_recording(RECORDING_SID) as answer:
                assert b"".join(deadlines.chunks(answer)) == b"hi"


def test_endless_audio_is_refused(patient, monkeypatch):
    monkeypatch.setattr(deadlines, "MAX_STREAM_BYTES", 1024**2)
    with server(NO_LENGTH, b"x" * 65536, pause=0.01) as port:
        url = f"http://127.0.0.1:{port}/a.wav"
        with in_time(), pytest.raises(audio.NotAudio, match="AnswerTooLarge"):
            list(audio.download(url))


# E-mail

MAIL_DRIPS = {
    "greeting": ({}, b"220 ", b"x"),
    "greeting of many lines": ({}, b"", b"220-x\r\n"),
    "TLS handshake": ({"EMAIL_USE_SSL": True}, HANDSHAKE, b"\0"),
    "answer to EHLO": ({}, b"220 ready\r\n", b"250-x\r\n"),
    "handshake after STARTTLS": (
        {"EMAIL_USE_TLS": True},
        b"220 ready\r\n250-hi\r\n250 STARTTLS\r\n220 go\r\n",
        b"\x16\x03\x03\x40\x00",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "first", "more"), MAIL_DRIPS.values(), ids=MAIL_DRIPS
)
def test_slow_mail_server_times_out(settings, options, first, more):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    for name, value in options.items():
        setattr(settings, name, value)
    with server(first, more, speaks_first=True) as port:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        with in_time(), pytest.raises(EmailError, match="reached or closed"):
            outgoing_email.send(uuid4(), "ada@example.com", "A call", "Hi")


def test_a_mail_server_that_takes_its_message_gets_it(settings, patient):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    port = free_port()
    with mail_server(port) as messages:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        outgoing_email.send(uuid4(), "ada@example.com", "A call", "Hi")

    assert "To: ada@example.com" in messages[0]


def test_no_thread_is_left_behind(settings, patient):
    def watching():
        return [each for each in threading.enumerate() if each.name == "time-limit"]

    with server(OK + b"\r\n", b"") as port:
        notify(settings, port)

    until("all threads ended", lambda: not watching(), seconds=PATIENCE)
