"""After a person is erased, our files and the vendors keep no data of that person."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from djtranscribe.management.commands.sandbox import ACCOUNT_SID
from tests.live.operator import Operator
from tests.live.sandbox import Sandbox, control, running

pytestmark = pytest.mark.slow

NUMBER, NAME, NOTE = "14155551277", "Quillfeather", "xylophonic"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """Run a separate sandbox, because calls of other tests may have the same words."""
    with running(tmp_path / "sandbox", pace=0.1) as sandbox:
        yield sandbox


def test_erasure_leaves_no_data_here_at_twilio_or_at_assemblyai(
    sandbox: Sandbox, operator: Operator
):
    page = operator.dial(NUMBER)
    text = operator.text_of(page)
    name(operator, page)
    words = {word.strip(".,?!").lower() for word in text.split()}
    # Leave out the words of the keyword lists, which stay in the database.
    said = max(words - listed_terms(sandbox.directory), key=len)
    wanted = [NUMBER, NAME, NOTE, said]
    jobs = {job["id"] for job in jobs_of(sandbox)}
    assert set(left(sandbox.directory, wanted)) == set(wanted)

    answer = operator.post(f"{page}person/", {"number": f"+{NUMBER}", "sure": "on"})
    report = finished(operator, urlsplit(answer.url).path)

    assert "Finished on" in report
    # The journal of the database is cleared a moment after the report.
    deadline = time.monotonic() + 30
    while found := left(sandbox.directory, wanted):
        assert time.monotonic() < deadline, found
        time.sleep(0.25)
    assert control(sandbox.twilio, "calls") == []
    assert recordings_at_twilio(sandbox) == []
    assert {job["text"] for job in jobs_of(sandbox) if job["id"] in jobs} == {
        "Deleted by user."
    }
    assert not list((sandbox.directory / "media").rglob("*.wav"))


def listed_terms(directory: Path) -> set[str]:
    with closing(sqlite3.connect(directory / "db.sqlite3")) as database:
        rows = database.execute("SELECT terms FROM transcription_vocabulary")
        return {word.lower() for (terms,) in rows for word in terms.split()}


def name(operator: Operator, page: str) -> None:
    """Save a name for the number and a note about the call, as people do.

    page: the path of the call's page.
    """
    token = operator.session.cookies["csrftoken"]
    for path, fields in {
        f"{page}number/name/": {"name": NAME},
        f"{page}notes/": {"text": NOTE},
    }.items():
        answer = operator.session.post(
            operator.site + path,
            data={**fields, "csrfmiddlewaretoken": token},
            headers={"Referer": operator.site},
            timeout=20,
        )
        assert answer.ok


def finished(operator: Operator, path: str) -> str:
    deadline = time.monotonic() + 90
    while "hx-trigger" in (page := operator.get(path).text):
        assert time.monotonic() < deadline, page
        time.sleep(0.25)
    return page


def left(directory: Path, wanted: list[str]) -> list[str]:
    """Return which of the `wanted` texts are in any file of the site.

    A deleted row counts if its bytes are still in the file of the database.
    """
    content = b"".join(
        path.read_bytes().lower()
        for path in directory.rglob("*")
        if path.is_file() and path.suffix != ".wav"
    )
    return [each for each in wanted if each.lower().encode() in content]


def recordings_at_twilio(sandbox: Sandbox) -> list[dict]:
    url = f"{sandbox.twilio}/2010-04-01/Accounts/{ACCOUNT_SID}/Recordings.json"
    answer = requests.get(url, auth=(ACCOUNT_SID, "sandbox"), timeout=10)
    return answer.json()["recordings"]


def jobs_of(sandbox: Sandbox) -> list[dict]:
    key = {"Authorization": "sandbox"}
    url = f"{sandbox.assemblyai}/v2/transcript"
    listed = requests.get(url, headers=key, timeout=10).json()["transcripts"]
    return [
        requests.get(f"{url}/{job['id']}", headers=key, timeout=10).json()
        for job in listed
    ]
