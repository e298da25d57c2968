"""The audio of a long call passes through in pieces and is never held in memory."""

import threading
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from caller.recordings import audio
from tests.caller.rows import a_recording
from tests.transcription.rows import AUDIO_URL
from transcription.assemblyai import client as assemblyai_client

pytestmark = pytest.mark.django_db

BLOCK = bytes(256 * 1024)
BLOCKS = 240  # 60 MB: more than an hour of a call
HEAD = b"RIFF\0\0\0\0WAVEfmt "
SIZE = len(HEAD) + BLOCKS * len(BLOCK)
MEGABYTE = 1024 * 1024


class Vendor(BaseHTTPRequestHandler):
    """Twilio and AssemblyAI with real sockets. A mock would hold the whole body."""

    received = 0

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        self.wfile.write(HEAD)
        for _ in range(BLOCKS):
            self.wfile.write(BLOCK)

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, len(BLOCK))))
        Vendor.received = int(self.headers["Content-Length"])
        answer = b'{"upload_url": "%s"}' % AUDIO_URL.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@pytest.fixture
def vendor(settings, vendors) -> Iterator[type[Vendor]]:
    vendors.stop()  # the mock would consume the upload
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.TWILIO_API_URL = f"http://127.0.0.1:{server.server_port}"
    settings.ASSEMBLYAI_API_URL = settings.TWILIO_API_URL
    yield Vendor
    server.shutdown()
    server.server_close()
    vendors.start()


@pytest.fixture
def peak():
    """Return a function that measures Python's peak memory in this test, in bytes."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    yield lambda: tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()


def test_large_audio_is_downloaded_and_uploaded_in_chunks(vendor, peak, media):
    signs = []
    recording = a_recording()

    recording.fetch_audio(lambda: signs.append("down"))
    with recording.audio.open("rb") as file:
        url = assemblyai_client.upload(
            audio.UploadStream(file, lambda: signs.append("up"))
        )

    assert url == AUDIO_URL
    assert vendor.received == SIZE
    assert recording.audio.size == SIZE
    assert signs.count("down") >= SIZE // MEGABYTE
    assert signs.count("up") >= SIZE // MEGABYTE
    assert peak() < 30 * MEGABYTE


def test_large_audio_is_streamed_to_the_player_in_chunks(browser, vendor, peak):
    recording = a_recording()
    recording.fetch_audio(lambda: None)

    answer = browser.get(recording.audio_url, headers={"Range": "bytes=1000000-"})
    sizes = [len(block) for block in answer]
    answer.close()

    assert sum(sizes) == SIZE - 1_000_000
    assert max(sizes) <= MEGABYTE
    assert peak() < 30 * MEGABYTE
