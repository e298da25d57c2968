"""Incoming calls: which are recorded, connected to an operator, or refused."""

from xml.etree import ElementTree

import pytest

from caller.models import Call, Contact, ContactNumber, DoNotCall
from caller.timeline import headline, timeline
from tests.caller.conversations.rows import CHILD, OWN_NUMBER, a_phone, path
from tests.caller.rows import CALLS, DIAL, NUMBER, a_recording, recording_path
from tests.data import load
from transcription.models import Transcript

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

INBOUND_SID = "CA" + "0" * 31 + "5"


def tags(answer):
    return [verb.tag for verb in ElementTree.fromstring(answer.content)]


def rings(signed_post, number=NUMBER, sid=INBOUND_SID):
    return signed_post("/answer/", load("twilio/inbound", From=number, CallSid=sid))


def test_a_caller_hears_the_greeting_and_is_recorded(signed_post, settings, browser):
    settings.ANSWER_GREETING = "This is the clinic. We record this call."
    contact = Contact.objects.create(name="Ada Stone")
    ContactNumber.objects.create(contact=contact, number=NUMBER)

    answer = rings(signed_post)

    call = Call.objects.get()
    said = ElementTree.fromstring(answer.content).find("Say").text
    assert tags(answer) == ["Say", "Record", "Say", "Hangup"]
    assert said == call.notice == settings.ANSWER_GREETING
    assert (call.direction, call.other_number) == ("inbound", NUMBER)
    assert (call.from_number, call.to) == (NUMBER, "+14155550100")
    assert (call.status, bool(call.answered_at)) == ("in-progress", True)
    page = browser.get(call.get_absolute_url()).content.decode()
    assert "Call from" in page
    assert "Ada Stone" in page


def test_the_recording_is_transcribed(signed_post):
    rings(signed_post)
    call = Call.objects.get()

    fields = load("twilio/recording-callback", CallSid=INBOUND_SID)
    signed_post(recording_path(call), fields)

    assert Transcript.objects.get().recording.call == call


def test_repeated_webhook_creates_one_call(signed_post):
    first, second = rings(signed_post), rings(signed_post)

    assert first.content == second.content
    assert Call.objects.count() == 1


def test_the_numbers_own_status_callback_ends_the_call(signed_post):
    rings(signed_post)

    answer = signed_post(
        "/webhooks/twilio/call/",
        load(
            "twilio/status-callback",
            CallSid=INBOUND_SID,
            CallStatus="completed",
            CallDuration="12",
        ),
    )

    call = Call.objects.get()
    assert answer.status_code == 204
    assert (call.status, call.duration_seconds) == ("completed", 12)


@pytest.mark.parametrize(
    "number", ["+266696687", "anonymous", "", "+86282452253", "sip:a@b.example", "١"]
)
def test_a_caller_who_withholds_the_number_is_recorded_too(
    signed_post, browser, number
):
    answer = rings(signed_post, number)

    call = Call.objects.get()
    assert "Record" in tags(answer)
    assert call.other_number == ""
    for page in (call.get_absolute_url(), "/", f"/calls/{call.uuid}/number/"):
        assert "withheld number" in browser.get(page).content.decode()


def test_a_blocked_caller_hears_a_sentence_and_is_not_stored(signed_post):
    DoNotCall.objects.create(number=NUMBER, blocks_incoming=True)

    answer = rings(signed_post)

    assert tags(answer) == ["Say", "Hangup"]
    assert not Call.objects.exists()


def test_number_on_do_not_call_list_may_call_in(signed_post):
    DoNotCall.objects.create(number=NUMBER)

    assert "Record" in tags(rings(signed_post))


def test_more_calls_of_one_number_within_an_hour_are_not_recorded(
    signed_post, settings
):
    settings.MAX_ANSWERED_PER_CALLER_HOUR = 2
    answers = [rings(signed_post, sid=f"CA{number:032}") for number in range(3)]

    assert ["Record" in tags(answer) for answer in answers] == [True, True, False]
    assert "Record" in tags(rings(signed_post, "+14155559999", "CA" + "9" * 32))


def test_one_number_may_have_two_unfinished_incoming_calls(signed_post):
    rings(signed_post)
    rings(signed_post, sid="CA" + "9" * 32)

    assert Call.objects.unfinished().count() == 2


def test_incoming_calls_do_not_count_toward_dialling_limits(
    signed_post, browser, vendors, settings
):
    settings.MAX_CALLS_PER_NUMBER_DAY = settings.MAX_CALLS_PER_DAY = 1
    rings(signed_post)
    vendors.post(CALLS, json=load("twilio/call"), status=201)

    browser.post(DIAL)

    statuses = Call.objects.filter(direction="outbound").values_list("status")
    assert list(statuses) == [("queued",)]


class TestForwarding:
    @pytest.fixture(autouse=True)
    def forwarded(self, settings, operator):
        settings.ANSWER_FORWARD_TO = operator.username
        a_phone(operator)

    def test_the_operators_phone_rings_and_both_are_recorded(self, signed_post):
        answer = rings(signed_post)

        call = Call.objects.get()
        dial = ElementTree.fromstring(answer.content).find("Dial")
        assert dial.find("Number").text == OWN_NUMBER
        assert dial.get("record") == "record-from-answer-dual"
        # Stop after 25 s, before most answering machines answer.
        assert dial.get("timeout") == "25"
        assert (call.kind, call.requested_by.username) == ("conversation", "ada")

    def test_the_caller_is_on_the_first_channel(self, signed_post):
        rings(signed_post)
        signed_post(
            recording_path(Call.objects.get()),
            load(
                "twilio/recording-callback", CallSid=INBOUND_SID, RecordingChannels="2"
            ),
        )

        names = Transcript.objects.get().channel_names
        assert names == {"1": "+1 415-555-1234", "2": "ada"}

    def test_if_the_operator_does_not_answer_the_caller_leaves_a_message(
        self, signed_post, settings
    ):
        settings.CONVERSATION_NOTICE = "We record this."
        settings.ANSWER_GREETING = "Nobody is here. Please speak."
        rings(signed_post)
        call = Call.objects.get()
        fields = load(
            "twilio/dial-action", CallSid=INBOUND_SID, DialCallStatus="no-answer"
        )

        answer = signed_post(path(call, "bridge/done/"), fields)
        again = signed_post(path(call, "bridge/done/"), fields)

        call.refresh_from_db()
        said = ElementTree.fromstring(answer.content).find("Say").text
        assert again.content == answer.content
        assert "Record" in tags(answer)
        assert said == settings.ANSWER_GREETING
        assert call.notice == "We record this. Nobody is here. Please speak."
        assert (call.status, call.leg.status) == ("in-progress", "no-answer")
        assert headline(timeline(call)) == "Leaving a message"
        Call.objects.update(status="completed")
        # Change the greeting and replay the webhook. The stored notice must not change.
        settings.ANSWER_GREETING = "Another greeting."
        signed_post(path(call, "bridge/done/"), fields)
        call.refresh_from_db()
        assert call.notice == "We record this. Nobody is here. Please speak."
        assert "Not connected" in [step.name for step in timeline(call)]
        # If the caller hung up at the beep, there is no message.
        recording = a_recording(call=call, status="absent")
        assert "Not connected" in [step.name for step in timeline(call)]
        recording.status = "completed"
        recording.save()
        assert "Left a message" in [step.name for step in timeline(call)]

    def test_the_greeting_is_not_stored_for_a_caller_who_has_hung_up(self, signed_post):
        rings(signed_post)
        call = Call.objects.get()
        fields = load(
            "twilio/dial-action",
            CallSid=INBOUND_SID,
            CallStatus="completed",
            DialCallStatus="no-answer",
        )

        signed_post(path(call, "bridge/done/"), fields)

        call.refresh_from_db()
        assert call.notice == "This call is recorded and will be transcribed."

    def test_status_of_the_operators_phone_is_stored_on_its_leg(self, signed_post):
        rings(signed_post)
        call = Call.objects.get()
        child = {**CHILD, "ParentCallSid": INBOUND_SID, "CallStatus": "ringing"}

        signed_post(
            f"/webhooks/twilio/call/?call={call.uuid}",
            load("twilio/status-callback", **child),
        )

        call.refresh_from_db()
        assert (call.status, call.leg.status) == ("in-progress", "ringing")

    def test_without_a_verified_phone_the_caller_leaves_a_message(
        self, signed_post, operator
    ):
        operator.phone.delete()

        assert "Record" in tags(rings(signed_post))
