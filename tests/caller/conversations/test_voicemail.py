"""MACHINE_DETECTION: the request to Twilio, the pages, and which calls we end."""

from urllib.parse import parse_qs

import pytest
from django.utils import timezone

from caller.models import Call
from caller.tasks import check_call
from tests.caller.conversations.rows import a_phone, path
from tests.caller.rows import CALL, CALL_SID, CALLS, DIAL, a_call, record_path
from tests.data import load

pytestmark = pytest.mark.django_db

DETECTED = "webhooks/twilio/machine/"


def asked_for(vendors, browser, **fields):
    placed = vendors.post(CALLS, json=load("twilio/call"), status=201)
    browser.post(DIAL, fields)
    return parse_qs(placed.calls[0].request.body)


@pytest.mark.parametrize("setting", ["show", "hangup"])
def test_machine_detection_is_requested_asynchronously(
    vendors, browser, settings, setting
):
    settings.MACHINE_DETECTION = setting

    asked = asked_for(vendors, browser)

    assert asked["MachineDetection"] == ["Enable"]
    # Without AsyncAmd, the notice would wait for the detection.
    assert asked["AsyncAmd"] == ["true"]
    assert DETECTED in asked["AsyncAmdStatusCallback"][0]


def test_it_is_off_by_default_since_twilio_charges_for_it(vendors, browser):
    assert "MachineDetection" not in asked_for(vendors, browser)


def test_machine_detection_is_off_for_the_operators_phone(
    vendors, browser, operator, settings
):
    settings.MACHINE_DETECTION = "show"
    a_phone(operator)

    assert "MachineDetection" not in asked_for(vendors, browser, connect="1")


def test_the_page_and_the_list_say_that_voicemail_answered(
    signed_post, browser, settings
):
    settings.MACHINE_DETECTION = "show"
    call = a_call(sid=CALL_SID, status="in-progress")

    signed_post(path(call, DETECTED), load("twilio/machine"))

    call.refresh_from_db()
    assert call.answered_by == "machine_start"
    for page in (call.get_absolute_url(), "/"):
        assert "Voicemail answered" in browser.get(page).content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("setting", "who", "ended"),
    [
        ("hangup", "machine_start", 1),
        ("hangup", "human", 0),
        ("hangup", "unknown", 0),
        ("show", "machine_start", 0),
    ],
)
def test_a_call_that_voicemail_has_taken_is_ended(
    signed_post, vendors, settings, work, setting, who, ended
):
    settings.MACHINE_DETECTION = setting
    call = a_call(sid=CALL_SID, status="in-progress")
    hung_up = vendors.post(CALL, json=load("twilio/call", status="completed"))

    signed_post(path(call, DETECTED), load("twilio/machine", AnsweredBy=who))
    work()

    assert hung_up.call_count == ended
    if ended:
        assert hung_up.calls[0].request.body == "Status=completed"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("setting", "ended"), [("hangup", 1), ("show", 0)])
def test_a_call_is_ended_although_the_report_of_the_machine_was_lost(
    vendors, settings, work, setting, ended
):
    settings.MACHINE_DETECTION = setting
    call = a_call(sid=CALL_SID, status="in-progress", next_check_at=timezone.now())
    going_on = load("twilio/call", status="in-progress", answered_by="machine_start")
    vendors.get(CALL, json=going_on)
    hung_up = vendors.post(CALL, json=load("twilio/call", status="completed"))

    check_call.enqueue(call.pk)
    work()

    assert hung_up.call_count == ended


def test_call_ended_for_voicemail_says_why_it_has_no_recording(
    signed_post, browser, settings
):
    settings.MACHINE_DETECTION = "hangup"
    call = a_call(sid=CALL_SID, status="in-progress")
    signed_post(record_path(call), load("twilio/twiml-request"))
    signed_post(path(call, DETECTED), load("twilio/machine"))
    signed_post(
        f"/webhooks/twilio/call/?call={call.uuid}",
        load("twilio/status-callback", CallStatus="completed"),
    )

    page = browser.get(call.get_absolute_url()).content.decode()

    assert "this site ended the call before the recording" in page
    assert Call.objects.get().status == "completed"
