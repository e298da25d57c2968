"""Fixtures that start the stand-ins for Twilio and AssemblyAI as processes.

The fixture `product` is a server that receives the webhooks of the stand-ins.
"""

import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from twilio.rest import Client

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
AUTH_TOKEN = "sandbox-token"
PHONE_NUMBER = "+15550001111"
KEY = "sandbox-key"
API_KEY = "SK" + "0123456789abcdef" * 2
API_SECRET = "sandbox-api-secret"
ENVIRONMENT = {
    "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
    "TWILIO_API_KEY": API_KEY,
    "TWILIO_API_SECRET": API_SECRET,
    "ASSEMBLYAI_KEY": KEY,
}
TWILIO_ARGUMENTS = ["--account-sid", ACCOUNT_SID, "--phone-number", PHONE_NUMBER]


@dataclass
class StandIn:
    process: "subprocess.Popen[str]"
    url: str

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(
            method, f"{self.url}/_sandbox/{path}", json=body, timeout=60
        )
        answer.raise_for_status()
        return answer.json()

    def break_next(self, do: dict[str, Any], **rule: Any) -> None:
        self.control("POST", "faults", [{"times": 1, "do": do, **rule}])

    def reset(self) -> None:
        for log in ("requests", "deliveries", "faults"):
            self.control("DELETE", log)
        self.control("POST", "webhooks", {"mode": "normal"})


def start(module: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", f"sandbox.{module}", *arguments],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def started(module: str, *arguments: str) -> StandIn:
    process = start(module, "--port", "0", "--exit-with-parent", *arguments)
    assert process.stdout
    line = process.stdout.readline()
    assert " ready on http://127.0.0.1:" in line, line + process.stdout.read()
    # Keep reading the output. Otherwise the pipe fills up and the stand-in blocks.
    threading.Thread(target=process.stdout.read, daemon=True).start()
    return StandIn(process, line.split()[-1].rstrip("/"))


def stopped(stand_in: StandIn) -> None:
    stand_in.process.terminate()
    stand_in.process.wait(60)
    assert stand_in.process.stdout
    stand_in.process.stdout.close()


@pytest.fixture(scope="session")
def twilio_process() -> Iterator[StandIn]:
    stand_in = started("twilio", "--pace", "0", *TWILIO_ARGUMENTS)
    yield stand_in
    stopped(stand_in)


@pytest.fixture(scope="session")
def assemblyai_process() -> Iterator[StandIn]:
    stand_in = started("assemblyai", "--pace", "0")
    yield stand_in
    stopped(stand_in)


@pytest.fixture
def twilio(twilio_process: StandIn) -> StandIn:
    twilio_process.reset()
    twilio_process.control("POST", "api-key", {"kind": "standard"})
    return twilio_process


@pytest.fixture
def assemblyai(assemblyai_process: StandIn) -> StandIn:
    assemblyai_process.reset()
    assemblyai_process.control(
        "POST",
        "account",
        {"balance_negative": False, "key": None, "retired_models": None},
    )
    return assemblyai_process


@dataclass
class Received:
    method: str
    url: str
    path: str
    headers: dict[str, str]
    params: dict[str, str]
    body: bytes


@dataclass
class Product:
    """A server in the place of the product. It records what a stand-in sends to it.

    answers: {path: list of the bodies or statuses to answer, one for each request}. The
    last one is repeated.
    """

    url: str
    received: list[Received] = field(default_factory=list)
    answers: dict[str, list[str | int]] = field(default_factory=dict)

    def at(self, path: str) -> list[Received]:
        return [request for request in self.received if request.path == path]

    def wait_for(self, path: str, count: int = 1) -> list[Received]:
        until(lambda: len(self.at(path)) >= count, f"{count} requests to {path}")
        return self.at(path)


def until(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    pytest.fail(f"waited {seconds} s in vain for {what}")


@pytest.fixture
def product() -> Iterator[Product]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            text = body.decode() if self.command == "POST" else url.query
            product.received.append(
                Received(
                    self.command,
                    product.url + self.path,
                    url.path,
                    dict(self.headers.items()),
                    dict(parse_qsl(text, keep_blank_values=True)),
                    body,
                )
            )
            given = product.answers.get(url.path, [200])
            answer = given.pop(0) if len(given) > 1 else given[0]
            data = b"" if isinstance(answer, int) else answer.encode()
            self.send_response(answer if isinstance(answer, int) else 200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST  # noqa: N815

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    product = Product(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield product
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(twilio: StandIn) -> Client:
    return twilio_client(twilio)


def twilio_client(stand_in: StandIn) -> Client:
    from tests.sandbox.twilio_calls import AUTH, Transport

    return Client(*AUTH, http_client=Transport(stand_in.url))


@dataclass
class Slow:
    stand_in: StandIn
    client: Client


@pytest.fixture(scope="session")
def twilio_slow() -> Iterator[Slow]:
    """A stand-in that is slow enough for a test to intervene.

    A phone rings for 2 s, and six seconds of speech take 6 s.
    """
    stand_in = started("twilio", "--pace", "1", *TWILIO_ARGUMENTS)
    yield Slow(stand_in, twilio_client(stand_in))
    stopped(stand_in)


@pytest.fixture
def dial(client: Client, product: Product) -> Callable[..., Any]:
    from tests.sandbox.twilio_calls import EVENTS, SPEAKS, document

    product.answers.setdefault("/record/", [document(product)])
    product.answers.setdefault("/done/", ["<Response><Hangup/></Response>"])

    def place(to: str = SPEAKS, **options: Any) -> Any:
        options.setdefault("url", product.url + "/record/?call=1")
        options.setdefault("status_callback", product.url + "/status/?call=1#rc=3")
        options.setdefault("status_callback_event", EVENTS)
        return client.calls.create(to=to, from_=PHONE_NUMBER, **options)

    return place
