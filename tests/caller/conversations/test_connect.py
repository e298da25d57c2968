"""The button "Connect me": which phones ring, what both hear, how each call ends."""

from datetime import datetime, timedelta
from datetime import timezone as tz
from decimal import Decimal
from urllib.parse import parse_qs
from xml.etree import ElementTree

import pytest
from django.utils import timezone

from caller.call_check import ask_twilio
from caller.models import Call, Contact, ContactNumber, DoNotCall, Leg
from caller.timeline import timeline
from tests.caller.conversations.rows import (
    CHILD,
    OWN_NUMBER,
    a_conversation,
    a_phone,
    deliveries,
    path,
    status,
)
from tests.caller.rows import (
    CALL,
    CALL_SID,
    CALLS,
    DIAL,
    NUMBER,
    RECORDINGS,
    TYPED,
    a_call,
    refusal,
)
from tests.data import load
from transcription.models import Transcript

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

MORNING = datetime(2026, 11, 23, 10, tzinfo=tz.utc)


@pytest.fixture
def placed(vendors):
    return vendors.post(CALLS, json=load("twilio/call"), status=201)


@pytest.mark.parametrize("way", ["typed", "button", "dial box"])
def test_the_operators_phone_is_called_first(browser, operator, placed, way):
    a_phone(operator)
    if way == "typed":
        browser.get(f"{DIAL}?connect=1", headers=TYPED)
    elif way == "button":
        browser.post(DIAL, {"connect": "1"})
    else:
        browser.post("/dial/", {"number": NUMBER, "connect": "1"})

    call = Call.objects.get()
    asked = parse_qs(placed.calls[0].request.body)
    assert asked["To"] == [OWN_NUMBER]
    assert asked["Url"][0].startswith("https://djtranscribe.example.com/bridge/?call=")
    assert (call.other_number, call.kind, call.sid) == (
        NUMBER,
        "conversation",
        CALL_SID,
    )
    assert call.leg.number == OWN_NUMBER


def test_connect_link_offers_a_button_and_does_not_dial(browser, operator):
    a_phone(operator)

    page = browser.get(f"{DIAL}?connect=1").content.decode()

    assert 'name="connect" value="1">Connect me' in page
    assert not Call.objects.exists()


@pytest.mark.parametrize("verified", [False, True])
def test_operator_without_verified_phone_is_redirected_to_phone_page(
    browser, operator, verified
):
    if verified:
        a_phone(operator, verified_at=None)

    answer = browser.post(DIAL, {"connect": "1"}, follow=True)

    assert answer.redirect_chain == [("/phone/", 302)]
    assert "verify your own phone first" in answer.content.decode()
    assert not Call.objects.exists()


def test_dialling_rules_apply_to_the_other_party(browser, operator):
    a_phone(operator)
    DoNotCall.objects.create(number=NUMBER)

    browser.post(DIAL, {"connect": "1"})

    assert Call.objects.get().status == "refused"


def test_a_conversation_that_twilio_refuses_is_over_and_costs_nothing(
    browser, operator, vendors
):
    a_phone(operator)
    vendors.post(CALLS, **refusal(21215))

    browser.post(DIAL, {"connect": "1"})

    call = Call.objects.get()
    assert (call.status, call.leg.status) == ("failed", "failed")
    assert [step[0] for step in seen(call)] == ["Requested", "Failed"]
    assert Call.objects.cost(Decimal("0.1")) == 0


def document(answer):
    return ElementTree.fromstring(answer.content)


def test_operator_hears_the_number_before_pressing_a_key(signed_post):
    call = a_conversation(sid=CALL_SID)

    asked = document(signed_post(path(call, "bridge/"), load("twilio/twiml-request")))

    gather = asked.find("Gather")
    assert gather.get("numDigits") == "1"
    # Every key counts, also #.
    assert gather.get("finishOnKey") == ""
    assert (
        gather.find("Say").text
        == "Press any key to call 1, 4, 1, 5, 5, 5, 5, 1, 2, 3, 4."
    )
    # An answering machine presses no key, so the call ends.
    assert [verb.tag for verb in asked] == ["Gather", "Say", "Hangup"]


def test_a_name_with_characters_that_xml_does_not_allow_is_spoken(signed_post):
    call = a_conversation(sid=CALL_SID)
    contact = Contact.objects.create(name="Ada\b <Zoë>\x1b\ufffe 🎉")
    ContactNumber.objects.create(contact=contact, number=NUMBER)

    asked = document(signed_post(path(call, "bridge/"), load("twilio/twiml-request")))

    said = asked.find("Gather/Say").text
    assert said == "Press any key to call Ada <Zoë> 🎉."


def test_after_the_key_both_hear_the_notice_and_both_are_recorded(
    signed_post, settings
):
    settings.CONVERSATION_NOTICE = "We record this."
    call = a_conversation(sid=CALL_SID)

    operator = document(
        signed_post(path(call, "bridge/accept/"), load("twilio/gather-action"))
    )
    other = document(
        signed_post(path(call, "bridge/notice/"), load("twilio/number-request"))
    )

    dial = operator.find("Dial")
    assert operator.find("Say").text == other.find("Say").text == "We record this."
    assert dial.get("record") == "record-from-answer-dual"
    assert dial.get("callerId") == call.our_number
    assert dial.find("Number").text == NUMBER
    call.refresh_from_db()
    assert call.notice == "We record this."


def test_other_party_is_not_called_without_a_key_press(signed_post):
    call = a_conversation(sid=CALL_SID)
    fields = load("twilio/gather-action", Digits="")

    answer = document(signed_post(path(call, "bridge/accept/"), fields))

    assert [verb.tag for verb in answer] == ["Hangup"]


@pytest.mark.parametrize("name", ["bridge/", "bridge/accept/", "bridge/notice/"])
def test_a_message_is_never_turned_into_a_conversation(signed_post, name):
    call = a_call(sid=CALL_SID)

    answer = document(signed_post(path(call, name), load("twilio/gather-action")))

    assert [verb.tag for verb in answer] == ["Hangup"]


def seen(call, viewer=None):
    call = Call.objects.get(pk=call.pk)
    return [(step.name, step.state, step.detail) for step in timeline(call, viewer)]


def after(seconds):
    return MORNING + timedelta(seconds=seconds)


def test_timeline_shows_both_phones(signed_post, operator):
    call = a_conversation(requested_by=operator, created_at=MORNING)

    for each in deliveries(call):
        signed_post(*each)

    call.refresh_from_db()
    assert (call.status, call.duration_seconds) == ("completed", 20)
    assert (call.ringing_at, call.answered_at) == (after(20), after(25))
    assert (call.leg.status, call.leg.answered_at) == ("completed", after(10))
    names = [step[0] for step in seen(call, operator)]
    assert names[:5] == [
        "Requested",
        "Your phone rang",
        "You answered",
        "Their phone rang",
        "Connected",
    ]
    connected = next(s for s in timeline(call, operator) if s.name == "Connected")
    assert (connected.took, connected.detail) == ("20 s", "They hung up.")


def test_cost_includes_both_phones(signed_post, operator):
    call = a_conversation({"price": "-0.0140"}, price="-0.0200", price_unit="USD")
    for each in deliveries(call):
        signed_post(*each)

    call.refresh_from_db()
    assert call.cost == "0.034 USD"
    assert Call.objects.cost(Decimal("0.1")) == Decimal("0.034")


def test_cost_names_the_currency_if_only_the_operators_phone_has_a_price():
    leg = {"price": "-0.0085", "price_unit": "EUR"}

    assert Call.objects.get(pk=a_conversation(leg).pk).cost == "0.0085 EUR"


@pytest.mark.parametrize("ended", ["completed", "busy", "no-answer", "failed"])
def test_a_check_asks_until_the_operators_phone_has_a_price_too(vendors, ended):
    call = a_conversation(
        {"status": "in-progress", "accepted_at": MORNING},
        sid=CALL_SID,
        status="ringing",
    )
    child = load("twilio/call", sid=CHILD["CallSid"], parent_call_sid=CALL_SID)
    child |= {"status": ended, "price": "-0.02"}
    vendors.get(CALLS, json=load("twilio/calls", calls=[child]))
    recording = load("twilio/recording", status="absent")
    vendors.get(RECORDINGS, json=load("twilio/recordings", recordings=[recording]))
    vendors.get(CALL, json=load("twilio/call", status="completed"))

    ask_twilio(call)
    is_asked_again = call.next_check_at is not None
    vendors.replace("GET", CALL, json=load("twilio/call", price="-0.01"))
    ask_twilio(call)

    call.refresh_from_db()
    assert is_asked_again
    assert (call.cost, call.next_check_at) == ("0.03 USD", None)


@pytest.mark.parametrize(
    ("theirs", "ours", "cost"),
    [
        ({"status": "in-progress"}, {"status": "in-progress"}, "0.2"),
        ({"status": "completed", "price": "-0.02"}, {"status": "completed"}, "0.12"),
        ({"status": "completed"}, {"status": "completed", "price": "-0.01"}, "0.11"),
        ({"status": "busy"}, {"status": "completed"}, "0.1"),
        ({"status": "canceled"}, {"status": "no-answer"}, "0"),
        ({"status": "refused"}, {"status": "canceled"}, "0"),
    ],
)
def test_an_unknown_price_of_either_phone_is_estimated(operator, theirs, ours, cost):
    a_conversation(ours, **theirs)

    assert Call.objects.cost(Decimal("0.1")) == Decimal(cost)


def test_each_channel_has_the_name_of_who_speaks_on_it(signed_post, operator):
    call = a_conversation(requested_by=operator)
    for each in deliveries(call):
        signed_post(*each)

    names = Transcript.objects.get().channel_names
    assert names == {"1": "ada", "2": "+1 415-555-1234"}


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("busy", "operator's phone was busy"),
        ("no-answer", "operator's phone was not answered"),
        ("failed", "operator's phone could not be reached"),
        ("completed", "No key was pressed"),
    ],
)
def test_call_is_canceled_if_the_operator_does_not_accept(signed_post, word, why):
    call = a_conversation(sid=CALL_SID)
    begin = 4 if word == "completed" else 2
    for each in [*deliveries(call)[:begin], status(call, word, 30, 3)]:
        signed_post(*each)

    *_, last = seen(call)
    assert last[:2] == ("Canceled", "failed")
    assert why in last[2]
    # The number can be called again: the database accepts another unfinished call.
    a_call(sid="CA" + "7" * 32)


@pytest.mark.parametrize(
    ("word", "name"),
    [("busy", "Busy"), ("no-answer", "No answer"), ("failed", "Failed")],
)
def test_operator_is_told_that_the_other_party_was_not_reached(signed_post, word, name):
    call = a_conversation(sid=CALL_SID)
    done = load("twilio/dial-action", DialCallStatus=word, DialCallDuration="0")
    for each in [
        *deliveries(call)[:7],
        status(call, word, 40, 3, **CHILD),
        (path(call, "bridge/done/"), done),
    ]:
        answer = signed_post(*each)

    assert document(answer).find("Say").text.startswith("The call could not be")
    assert [step[0] for step in seen(call)][-1] == name


def test_a_second_phone_that_twilio_refuses_fails_the_call(signed_post):
    call = a_conversation(sid=CALL_SID)
    done = load("twilio/dial-action", DialCallStatus="failed", DialCallSid="")
    for each in [*deliveries(call)[:5], (path(call, "bridge/done/"), done)]:
        signed_post(*each)

    call.refresh_from_db()
    assert call.status == "failed"


def test_timeline_says_that_the_operator_hung_up_first(signed_post):
    call = a_conversation(sid=CALL_SID)
    sent = deliveries(call)
    done = load("twilio/dial-action", CallStatus="completed")
    for each in [*sent[:10], (path(call, "bridge/done/"), done)]:
        signed_post(*each)

    assert "The operator hung up." in [step[2] for step in seen(call)]


def test_missing_statuses_of_both_phones_are_fetched_from_twilio(vendors):
    call = a_conversation(
        {"status": "in-progress", "accepted_at": MORNING},
        sid=CALL_SID,
        status="ringing",
    )
    child = load("twilio/call", sid=CHILD["CallSid"], parent_call_sid=CALL_SID)
    vendors.get(CALL, json=load("twilio/call", status="completed"))
    vendors.get(
        CALLS,
        json=load("twilio/calls", calls=[{**child, "status": "busy"}]),
    )
    vendors.get(RECORDINGS, json=load("twilio/recordings"))

    ask_twilio(call)

    call.refresh_from_db()
    assert (call.status, Leg.objects.get().status) == ("busy", "completed")


def test_call_fails_if_twilio_has_no_call_to_the_second_phone(vendors):
    call = a_conversation({"accepted_at": MORNING}, sid=CALL_SID, status="initiated")
    vendors.get(CALL, json=load("twilio/call", status="completed"))
    vendors.get(CALLS, json=load("twilio/calls"))
    vendors.get(RECORDINGS, json=load("twilio/recordings"))

    ask_twilio(call)

    call.refresh_from_db()
    assert call.status == "failed"
    assert "Twilio did not call this number" in call.error
    # The operator answered, so Twilio will report a price. The checks continue until
    # then.
    assert call.next_check_at is not None
    vendors.replace("GET", CALL, json=load("twilio/call", price="-0.01"))
    ask_twilio(call)
    call.refresh_from_db()
    assert (call.status, call.next_check_at) == ("failed", None)


def test_a_conversation_that_twilio_does_not_have_ends_for_both_phones(vendors):
    long_ago = {"created_at": timezone.now() - timedelta(days=1)}
    never_placed = a_conversation(status="unknown", **long_ago)
    other = {"other_number": "+14155551235", "sid": CALL_SID, **long_ago}
    deleted = a_conversation({"status": "ringing"}, status="queued", **other)
    vendors.get(CALLS, json=load("twilio/calls"))
    vendors.get(CALL, **refusal(20404, 404))

    for call in (never_placed, deleted):
        ask_twilio(call)
        call.refresh_from_db()
        assert (call.status, call.leg.status) == ("failed", "failed")


def test_the_end_of_the_operators_phone_is_awaited_too(signed_post, vendors):
    call = a_conversation(sid=CALL_SID)
    for each in [*deliveries(call)[:7], status(call, "busy", 40, 3, **CHILD)]:
        signed_post(*each)

    call.refresh_from_db()
    assert (call.status, call.leg.status) == ("busy", "in-progress")
    assert call.next_check_at is not None


def test_a_phone_that_twilio_never_called_for_a_caller_is_not_awaited_for_ever(vendors):
    call = a_conversation(direction="inbound", sid=CALL_SID, status="completed")
    vendors.get(CALL, json=load("twilio/call", status="completed"))
    vendors.get(CALLS, json=load("twilio/calls"))
    vendors.get(RECORDINGS, json=load("twilio/recordings"))

    ask_twilio(call)
    leg = Leg.objects.get()
    Call.objects.update(created_at=timezone.now() - timedelta(days=1))
    ask_twilio(call)

    assert leg.status == "dialing"
    leg.refresh_from_db()
    call.refresh_from_db()
    assert (leg.status, call.next_check_at) == ("failed", None)
