"""The files for deployment on a server, used here with local ports and paths."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import requests
import yaml
from twilio.request_validator import RequestValidator

from tests.chaos.databases import PostgresMaker
from tests.chaos.environment import ACCOUNT_SID, AUTH_TOKEN, ENVIRON, ROOT
from tests.chaos.house import House, new_number
from tests.chaos.vendors import AssemblyAI, Twilio, running
from tests.chaos.waiting import free_port, is_open, until
from tests.live.nginx import NGINX, needs_nginx
from tests.processes import serving

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
UNITS = sorted((ROOT / "docs/deploy").glob("*.service"))
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def test_hadolint_finds_no_fault_in_the_dockerfile():
    done = subprocess.run(
        [BIN / "hadolint", ROOT / "Dockerfile"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout


def test_files_copied_by_the_dockerfile_exist_and_are_not_ignored():
    copied = re.findall(
        r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.M
    )
    names = {name for line in copied for name in line.split()}
    ignored = (ROOT / ".dockerignore").read_text().split()

    assert all((ROOT / name).exists() for name in names)
    assert {f"!{Path(name).parts[0]}" for name in names} <= set(ignored)


def test_compose_file_is_valid_with_the_example_of_the_settings(tmp_path):
    program = shutil.which("docker-compose")
    if not program:
        pytest.skip("no docker-compose on this machine")
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")

    done = subprocess.run(
        [program, "--profile", "broker", "config", "--services"],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == set(SERVICES)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_no_fault_in_the_units(unit, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd on this machine")
    text = unit.read_text().replace("/srv/djtranscribe", str(ROOT))
    copy = tmp_path / unit.name
    copy.write_text(text.replace("User=djtranscribe", "User=daemon"))

    done = subprocess.run(
        ["systemd-analyze", "verify", copy], check=False, capture_output=True, text=True
    )

    ours = [line for line in done.stderr.splitlines() if unit.name in line]
    assert ours == []


@pytest.fixture
def certificate(tmp_path) -> Path:
    """Make a certificate for calls.example.com. Its key is in the same folder."""
    names = ["-subj", "/CN=calls.example.com"]
    names += ["-addext", "subjectAltName=DNS:calls.example.com"]
    made = ["-keyout", tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *made],
        check=True,
        capture_output=True,
    )
    return tmp_path / "fullchain.pem"


@pytest.fixture
def site(tmp_path, certificate, migrated) -> Iterator[tuple[int, int]]:
    """Run the product behind nginx, like on a server. Yield the https and http port."""
    inner, https, http = free_port(), free_port(), free_port()
    environ = ENVIRON | {
        "DEBUG": "",
        "SECRET_KEY": "k" * 50,
        "BASE_URL": "https://calls.example.com",
        "DATABASE_URL": f"sqlite:///{migrated}",
        "MEDIA_ROOT": str(tmp_path / "media"),
    }
    text = (ROOT / "docs/deploy/nginx.conf").read_text()
    for written, here in {
        "/etc/letsencrypt/live/calls.example.com": str(tmp_path),
        "listen 443": f"listen 127.0.0.1:{https}",
        "listen 80": f"listen 127.0.0.1:{http}",
        "http://127.0.0.1:8000": f"http://127.0.0.1:{inner}",
    }.items():
        assert written in text
        text = text.replace(written, here)
    paths = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;"
        f"events {{}} http {{ access_log off; {paths} {text} }}"
    )
    gunicorn = [sys.executable, "-m", "gunicorn", "djtranscribe.wsgi"]
    with serving(
        environ,
        (inner, https),
        [*gunicorn, "--bind", f"127.0.0.1:{inner}", "--threads", "4"],
        [str(NGINX), "-e", str(tmp_path / "start.log"), "-c", str(config)],
    ):
        yield https, http


@needs_nginx
def test_nginx_with_tls_keeps_signatures_valid_and_redirects_http(
    site, certificate, monkeypatch
):
    https, http = site
    path = f"/webhooks/twilio/call/?call={uuid4()}"
    fields = {"AccountSid": ACCOUNT_SID, "CallSid": "CA" + "0" * 32}
    signature = RequestValidator(AUTH_TOKEN).compute_signature(
        f"https://calls.example.com{path}", fields
    )

    def ask(*arguments: str) -> str:
        # Use curl, because it can connect to our port instead of the real host.
        lead = f"calls.example.com:443:127.0.0.1:{https}"
        done = subprocess.run(
            [
                *("curl", "--silent", "--include", "--connect-to", lead),
                *("--cacert", str(certificate), *arguments),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def report(signed: str) -> str:
        data = [part for pair in fields.items() for part in ("-d", "=".join(pair))]
        url = f"https://calls.example.com{path}"
        return ask("-H", f"X-Twilio-Signature: {signed}", *data, url)

    assert "No such call." in report(signature)
    assert "Refused: its signature does not match" in report("forged")
    assert "Strict-Transport-Security" in ask("https://calls.example.com/admin/login/")
    plain = requests.get(
        f"http://127.0.0.1:{http}/dial/",
        headers={"Host": "calls.example.com"},
        allow_redirects=False,
        timeout=10,
    )
    assert plain.headers["Location"] == "https://calls.example.com/dial/"


def command_of(service: str) -> list[str]:
    """Return a compose service's command, with the programs of this environment."""
    program, *arguments = shlex.split(SERVICES[service]["command"])
    return [str(BIN / program), *arguments]


def test_compose_services_transcribe_a_dialled_call(tmp_path):
    try:
        maker = PostgresMaker()
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL on this machine")
    with ExitStack() as stack:
        stack.callback(maker.close)
        twilio, assemblyai = (
            stack.enter_context(running(tmp_path, name))
            for name in ("twilio", "assemblyai")
        )
        database = stack.enter_context(maker.fresh(tmp_path))
        house = House(tmp_path, database, Twilio(twilio), AssemblyAI(assemblyai))
        stack.callback(house.stop)
        of_compose: dict[str, Any] = SERVICES["web"]["environment"]
        assert set(of_compose) == {"DATABASE_URL", "MEDIA_ROOT"}
        migrate = house.start("migrate", *command_of("migrate"))
        assert migrate.popen.wait(timeout=180) == 0
        web = [
            part.replace("0.0.0.0:8000", f"127.0.0.1:{house.port}")
            for part in command_of("web")
        ]
        house.start("web", *web)
        house.start("worker", *command_of("worker"))
        until("the web server listens", lambda: is_open(house.port), 90)
        number = new_number()

        answer = house.type_address_of(number)

        assert "/calls/" in answer.url
        assert house.completed(number, seconds=120)["text"]
