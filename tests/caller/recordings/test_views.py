"""Our own URL for the audio: range requests for seeking, and permissions."""

import pytest
from django.contrib.auth.models import Permission
from django.core.files.storage import FileSystemStorage

from tests.caller.rows import RECORDING_SID, a_recording
from tests.data import wav

pytestmark = pytest.mark.django_db

AUDIO = wav(1)
SIZE = len(AUDIO)


@pytest.fixture
def url():
    recording = a_recording()
    recording.store_audio([AUDIO])
    return recording.audio_url


def body(answer):
    content = b"".join(answer) if answer.streaming else answer.content
    answer.close()
    return content


def test_the_whole_audio(browser, url):
    answer = browser.get(url)

    assert answer.status_code == 200
    assert answer["Content-Length"] == str(SIZE)
    assert answer["Accept-Ranges"] == "bytes"
    assert "wav" in answer["Content-Type"]
    assert f'filename="{RECORDING_SID}-' in answer["Content-Disposition"]
    assert body(answer) == AUDIO


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=100-199", 100, 199),
        ("bytes=100-999999999", 100, SIZE - 1),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        ("bytes=-10", SIZE - 10, SIZE - 1),
        ("bytes=-999999999", 0, SIZE - 1),
    ],
)
def test_a_range_of_it(browser, url, wanted, start, end):
    answer = browser.get(url, headers={"Range": wanted})

    assert answer.status_code == 206
    assert answer["Content-Range"] == f"bytes {start}-{end}/{SIZE}"
    assert answer["Content-Length"] == str(end + 1 - start)
    assert answer["Accept-Ranges"] == "bytes"
    assert "wav" in answer["Content-Type"]
    assert body(answer) == AUDIO[start : end + 1]


@pytest.mark.parametrize("wanted", [f"bytes={SIZE}-", "bytes=999999999-", "bytes=-0"])
def test_a_range_beyond_its_end_is_refused_with_the_size(browser, url, wanted):
    answer = browser.get(url, headers={"Range": wanted})

    assert answer.status_code == 416
    assert answer["Content-Range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=0-9,20-29",
        "lines=0-9",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=1-0",
        f"bytes={SIZE + 5}-{SIZE}",
        "bytes 0-9",
        "bytes=٠-٩",
        "bytes=" + "9" * 5000 + "-",
        "",
    ],
)
def test_a_range_that_is_not_understood_is_answered_with_the_whole(
    browser, url, wanted
):
    answer = browser.get(url, headers={"Range": wanted})

    assert answer.status_code == 200
    assert body(answer) == AUDIO


def test_head_tells_the_size_and_sends_nothing(browser, url):
    answer = browser.head(url, headers={"Range": "bytes=0-9"})

    assert answer.status_code == 200
    assert answer["Content-Length"] == str(SIZE)
    assert body(answer) == b""


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}])
def test_a_file_that_the_browser_stops_reading_is_closed(browser, url, headers):
    answer = browser.get(url, headers=headers)

    next(iter(answer))
    answer.close()

    assert answer.closed


def test_a_stranger_is_sent_to_the_login(client, url):
    answer = client.get(url)

    assert answer["Location"].startswith("/admin/login/")


def test_user_who_may_only_view_calls_cannot_listen(client, url, django_user_model):
    reader = django_user_model.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_call"))
    client.force_login(reader)

    assert client.get(url).status_code == 403


@pytest.mark.parametrize(
    "error", [OSError(5, "No answer"), PermissionError(13, "Permission denied")]
)
def test_audio_that_cannot_be_read_now_is_unavailable(browser, url, monkeypatch, error):
    def refuses(storage, name, mode="rb"):
        raise error

    monkeypatch.setattr(FileSystemStorage, "open", refuses)

    answer = browser.get(url)

    assert answer.status_code == 503
    assert "Try again in a minute." in answer.text


def test_no_public_path_leads_to_the_files(browser, url, media):
    (stored,) = (media / "recordings").iterdir()

    for path in (f"/media/recordings/{stored.name}", f"/recordings/{stored.name}"):
        assert browser.get(path).status_code == 404


def test_audio_that_is_not_stored_yet_is_not_found(browser):
    answer = browser.get(a_recording().audio_url)

    assert answer.status_code == 404


def test_audio_that_is_gone_from_the_storage_is_not_found(browser, url, media):
    (stored,) = (media / "recordings").iterdir()
    stored.unlink()

    answer = browser.get(url)

    assert answer.status_code == 404


def test_a_recording_that_does_not_exist_is_not_found(browser):
    assert browser.get("/recordings/999/audio/").status_code == 404
