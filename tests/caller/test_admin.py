"""Calls and recordings in admin: they can be read, found and played, not edited."""

import pytest
from django_tasks_db.models import DBTaskResult

from tests.caller.rows import CALL_SID, RECORDING_SID, a_call, a_recording
from tests.data import wav
from transcription.models import Transcript

pytestmark = pytest.mark.django_db

CALLS = "/admin/caller/call/"
RECORDINGS = "/admin/caller/recording/"


def test_the_list_of_calls(browser, operator):
    a_call(sid=CALL_SID, status="completed", duration_seconds=65, requested_by=operator)

    page = browser.get(CALLS)

    assert "+1 415-555-1234" in page.text
    assert "1:05" in page.text
    assert "Completed" in page.text


def test_the_page_of_a_call_leads_to_its_live_page_and_plays_its_recording(browser):
    call = a_call(sid=CALL_SID, price="-0.01300", price_unit="USD")
    recording = a_recording(call=call)
    recording.store_audio([wav()])

    page = browser.get(f"{CALLS}{call.pk}/change/")

    assert call.get_absolute_url() in page.text
    assert f'<audio controls preload="none" src="{recording.audio_url}">' in page.text
    assert "0.013 USD" in page.text
    assert "United States" in page.text


def test_call_page_says_what_is_not_known_yet(browser):
    call = a_call()
    a_recording(call=call)

    page = browser.get(f"{CALLS}{call.pk}/change/")

    assert "not known yet" in page.text
    assert "not stored yet" in page.text


def test_call_page_says_what_will_never_come(browser):
    call = a_call(status="busy")
    a_recording(call=call, status="absent")

    page = browser.get(f"{CALLS}{call.pk}/change/")

    assert "not known yet" not in page.text
    assert "not stored yet" not in page.text


@pytest.mark.parametrize(
    "term",
    ["+14155551234", "+1 (415) 555-1234", "415-555-1234", "555.1234", CALL_SID, "1234"],
)
def test_a_call_is_found_as_people_write_numbers(browser, term):
    call = a_call(sid=CALL_SID)

    page = browser.get(CALLS, {"q": term})

    assert f"{CALLS}{call.pk}/change/" in page.text


def test_a_call_is_found_by_its_uuid(browser):
    call = a_call()

    page = browser.get(CALLS, {"q": str(call.uuid)})

    assert f"{CALLS}{call.pk}/change/" in page.text


def test_another_number_is_not_found(browser):
    call = a_call()

    page = browser.get(CALLS, {"q": "+44 20 7946"})

    assert f"{CALLS}{call.pk}/change/" not in page.text


def test_the_page_of_a_recording_plays_it_and_leads_to_call_and_transcripts(browser):
    call = a_call()
    recording = a_recording(call=call)
    recording.store_audio([wav()])
    transcript = Transcript.objects.create(recording=recording)

    page = browser.get(f"{RECORDINGS}{recording.pk}/change/")

    assert f'src="{recording.audio_url}"' in page.text
    assert f"{CALLS}{call.pk}/change/" in page.text
    assert transcript.get_absolute_url() in page.text
    assert recording.sha256 in page.text


def test_the_page_of_a_recording_from_a_file(browser):
    recording = a_recording(sid=None, source="file")

    page = browser.get(f"{RECORDINGS}{recording.pk}/change/")

    assert "Recording from a file" in page.text
    assert "not stored yet" in page.text


@pytest.mark.parametrize("term", ["14155551234", CALL_SID, RECORDING_SID])
def test_a_recording_is_found_by_number_and_sid(browser, term):
    recording = a_recording(call=a_call(sid=CALL_SID))

    page = browser.get(RECORDINGS, {"q": term})

    assert f"{RECORDINGS}{recording.pk}/change/" in page.text


@pytest.mark.parametrize("path", [CALLS, RECORDINGS])
def test_calls_and_recordings_cannot_be_edited(admin_client, path):
    call = a_call(sid=CALL_SID)
    row = call if path == CALLS else a_recording(call=call)

    page = admin_client.get(f"{path}{row.pk}/change/")
    edit = admin_client.post(f"{path}{row.pk}/change/", {"status": "failed"})
    add = admin_client.get(f"{path}add/")

    before = row.status
    row.refresh_from_db()
    assert 'name="_save"' not in page.text
    assert (edit.status_code, add.status_code) == (403, 403)
    assert row.status == before


@pytest.mark.parametrize("path", [CALLS, RECORDINGS])
def test_the_list_needs_the_permission_to_see_it(client, django_user_model, path):
    client.force_login(django_user_model.objects.create_user("nobody", is_staff=True))

    assert client.get(path).status_code == 403


@pytest.mark.parametrize("path", [CALLS, RECORDINGS])
def test_the_list_costs_the_same_queries_however_long_it_is(
    browser, operator, path, django_assert_num_queries, django_assert_max_num_queries
):
    def fill(numbers):
        for number in numbers:
            to = f"+4420794601{number:02}"
            call = a_call(other_number=to, sid=f"CA{number:032}", requested_by=operator)
            a_recording(call=call, sid=f"RE{number:032}")

    fill(range(2))
    browser.get(path)
    with django_assert_max_num_queries(20) as few:
        browser.get(path)
    fill(range(2, 22))

    with django_assert_num_queries(len(few)):
        page = browser.get(path)

    assert page.text.count("/change/") >= 22


def test_twilio_can_be_asked_about_a_call(browser, django_capture_on_commit_callbacks):
    call = a_call(sid=CALL_SID)
    chosen = {"action": "ask_twilio", "_selected_action": [call.pk]}

    with django_capture_on_commit_callbacks():
        answer = browser.post(CALLS, chosen, follow=True)

    assert "Asking Twilio about 1 call." in answer.text
    assert DBTaskResult.objects.get().task_path == "caller.tasks.check_call"
