"""The access log: who listened to or read what. Refused requests are not in it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from caller.models import Recording
from djtranscribe.models import REPEAT_PERIOD, Access
from tests.caller.rows import CALL_SID, a_call, a_recording
from tests.data import wav
from transcription.models import Transcript

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


@pytest.fixture
def recording():
    call = a_call(sid=CALL_SID, status="completed", next_check_at=None)
    recording = a_recording(call=call)
    recording.store_audio([wav()])
    return recording


@pytest.fixture
def transcript(recording):
    return Transcript.objects.create(
        recording=recording, status="completed", text="I take metoprolol."
    )


def signed_in(name, *groups):
    user = User.objects.create_user(name, is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def ada():
    return signed_in("ada", "Operators")


def entries():
    return [
        (access.user.get_username(), access.action, access.what, access.row)
        for access in Access.objects.order_by("pk")
    ]


def listen(client, recording, **headers):
    answer = client.get(recording.audio_url, headers=headers)
    assert b"".join(answer.streaming_content)
    return answer.status_code


def time_passes(by):
    for access in Access.objects.all():
        Access.objects.filter(pk=access.pk).update(at=access.at - by)


def test_listening_is_logged(ada, recording):
    assert listen(ada, recording) == 200

    assert entries() == [("ada", "listened", "recording", recording.pk)]


def test_a_player_that_asks_for_many_pieces_is_one_sitting(ada, recording):
    for start in range(0, 1000, 100):
        assert listen(ada, recording, Range=f"bytes={start}-{start + 99}") == 206

    assert len(entries()) == 1


def test_the_next_sitting_is_another_line(ada, recording):
    listen(ada, recording)
    time_passes(REPEAT_PERIOD + timedelta(seconds=1))
    listen(ada, recording)

    assert len(entries()) == 2


def test_two_listeners_make_two_log_entries(ada, recording):
    listen(ada, recording)
    listen(signed_in("grace", "Operators"), recording)

    assert [who for who, *_ in entries()] == ["ada", "grace"]


def test_reading_the_call_page_is_logged(ada, transcript):
    page = ada.get(transcript.recording.call.get_absolute_url())

    assert "metoprolol" in page.text
    assert entries() == [("ada", "read", "transcript", transcript.pk)]


def test_reading_a_transcript_in_admin_is_logged(ada, transcript):
    page = ada.get(transcript.get_absolute_url())

    assert "metoprolol" in page.text
    assert entries() == [("ada", "read", "transcript", transcript.pk)]


def test_reading_the_transcript_list_in_admin_is_logged(ada, transcript):
    """The list shows a short text completely, so opening the list counts as reading."""
    page = ada.get("/admin/transcription/transcript/")

    assert "I take metoprolol." in page.text
    assert entries() == [("ada", "read", "transcript", transcript.pk)]


def test_a_page_that_reloads_is_one_sitting(ada, transcript):
    for _ in range(5):
        ada.get(transcript.recording.call.get_absolute_url())

    assert len(entries()) == 1


def test_each_transcript_on_the_page_makes_a_log_entry(ada, transcript):
    other = Transcript.objects.create(
        recording=transcript.recording, status="completed", text="Again."
    )

    ada.get(transcript.recording.call.get_absolute_url())

    assert {row for *_, row in entries()} == {transcript.pk, other.pk}


def test_transcript_without_text_is_not_logged_as_read(ada, transcript):
    Transcript.objects.update(status="queued", text="")

    ada.get(transcript.recording.call.get_absolute_url())

    assert entries() == []


@pytest.mark.parametrize("groups", [[], ["nothing"]])
def test_refused_requests_are_not_logged(transcript, groups):
    nobody = signed_in("eve", *groups)

    answers = [
        nobody.get(transcript.recording.audio_url).status_code,
        nobody.get(transcript.recording.call.get_absolute_url()).status_code,
        nobody.get(transcript.get_absolute_url()).status_code,
    ]

    assert answers == [403, 403, 403]
    assert entries() == []


def test_anonymous_requests_are_not_logged(client, transcript):
    client.get(transcript.recording.audio_url)
    client.get(transcript.get_absolute_url())

    assert not Access.objects.exists()


def test_call_page_without_transcript_permission_is_not_logged(transcript):
    user = User.objects.create_user("eve")
    user.user_permissions.add(Permission.objects.get(codename="view_call"))
    client = Client()
    client.force_login(user)

    page = client.get(transcript.recording.call.get_absolute_url())

    assert page.status_code == 200
    assert "metoprolol" not in page.text
    assert entries() == []


def test_missing_audio_is_not_logged_as_listened(ada, recording):
    Recording.objects.update(audio="")

    assert ada.get(recording.audio_url).status_code == 404
    assert entries() == []


def test_a_supervisor_sees_it_in_admin(ada, transcript):
    listen(ada, transcript.recording)
    ada.get(transcript.get_absolute_url())

    page = signed_in("grace", "Supervisors").get("/admin/djtranscribe/access/").text

    assert "Listened to or downloaded" in page
    assert "Read" in page
    assert "ada" in page
    assert "2 entries" in page
    assert str(transcript.pk) in page


def test_an_operator_does_not_see_who_else_listened(ada, recording):
    listen(ada, recording)

    assert ada.get("/admin/djtranscribe/access/").status_code == 403


def test_access_log_is_kept_after_the_call_is_deleted(ada, transcript):
    listen(ada, transcript.recording)
    ada.get(transcript.get_absolute_url())

    transcript.recording.call.delete()

    assert not Transcript.objects.exists()
    assert [action for _, action, *_ in entries()] == ["listened", "read"]


def test_access_log_is_kept_after_the_account_is_deleted(ada, recording):
    listen(ada, recording)

    User.objects.all().delete()

    assert Access.objects.get().user is None
    page = signed_in("grace", "Supervisors").get("/admin/djtranscribe/access/")
    assert page.status_code == 200


def test_access_log_cannot_be_edited(recording, admin_client, ada):
    listen(ada, recording)
    access = Access.objects.get()

    answer = admin_client.post(
        f"/admin/djtranscribe/access/{access.pk}/change/", {"what": "nothing"}
    )

    assert answer.status_code == 403
    assert Access.objects.get().what == "recording"
