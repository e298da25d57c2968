"""Which requests dial a number. See decision 5 in docs/architecture.md."""

import json
from urllib.parse import parse_qs, quote

import pytest
import responses
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction
from django.test import Client

from caller.models import Call
from caller.phone_numbers import clean_number
from tests.caller.conversations.rows import a_phone
from tests.caller.rows import CALL_SID, CALLS, DIAL, NUMBER, TYPED, a_call
from tests.data import load
from transcription.models import Vocabulary

pytestmark = [pytest.mark.django_db, pytest.mark.quick]


@pytest.fixture
def twilio_answers(vendors):
    return vendors.post(CALLS, json=load("twilio/call"), status=201)


def test_typing_the_url_dials_and_leads_to_the_page_of_the_call(
    browser, operator, twilio_answers
):
    answer = browser.get(DIAL, headers=TYPED)

    call = Call.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/calls/{call.uuid}/"
    assert twilio_answers.call_count == 1
    assert (call.other_number, call.sid, call.status) == (NUMBER, CALL_SID, "queued")
    assert call.requested_by == operator
    assert call.our_number == "+14155550100"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"Sec-Fetch-Site": "same-origin"}, id="link on our page"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="link on another site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="link on a sister site"),
        pytest.param({"Sec-Fetch-Dest": "image"}, id="image"),
        pytest.param({"Sec-Fetch-Dest": "script"}, id="script"),
        pytest.param({"Sec-Fetch-Dest": "iframe"}, id="iframe"),
        pytest.param({"Sec-Fetch-Mode": "no-cors"}, id="no navigation"),
        pytest.param({"Sec-Fetch-User": "?0"}, id="not by a person"),
        pytest.param({"Sec-Purpose": "prefetch"}, id="prefetch"),
        pytest.param({"Sec-Purpose": "prefetch;prerender"}, id="prerender"),
        pytest.param({"Purpose": "prefetch"}, id="Chrome's and Safari's old prefetch"),
        pytest.param({"X-Purpose": "preview"}, id="Safari's preview"),
        pytest.param({"X-Moz": "prefetch"}, id="Firefox's old prefetch"),
        pytest.param({"x-MOZ": "Prefetch"}, id="in other letters"),
        pytest.param({"Purpose": "instant"}, id="a purpose that nobody knows yet"),
        pytest.param({"X-Sec-Purpose": "prefetch"}, id="Turbo's prefetch"),
        pytest.param({"Next-Router-Prefetch": "1"}, id="Next's prefetch"),
        pytest.param({"Sec-Speculation-Tags": '"nav"'}, id="a speculation rule"),
        pytest.param({"X-Preview": "1"}, id="a proxy's preview"),
        pytest.param(dict.fromkeys(TYPED, ""), id="a browser without these headers"),
        *(pytest.param({name: ""}, id=f"without {name}") for name in TYPED),
    ],
)
def test_any_other_get_shows_the_number_and_a_button_and_dials_nothing(
    browser, changed
):
    headers = {name: value for name, value in {**TYPED, **changed}.items() if value}

    answer = browser.get(DIAL, headers=headers)

    assert answer.status_code == 200
    assert "Call +1 415-555-1234" in answer.text
    assert "United States" in answer.text
    assert 'method="post"' in answer.text
    assert not Call.objects.exists()


def test_head_never_dials(browser):
    answer = browser.head(DIAL, headers=TYPED)

    assert answer.status_code == 200
    assert not Call.objects.exists()


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
def test_other_methods_are_refused(browser, method):
    answer = getattr(browser, method)(DIAL, headers=TYPED)

    assert answer.status_code == 405
    assert not Call.objects.exists()


def test_the_button_dials(browser, twilio_answers):
    answer = browser.post(DIAL)

    assert answer["Location"] == f"/calls/{Call.objects.get().uuid}/"
    assert twilio_answers.call_count == 1


def test_the_button_of_another_site_does_not_dial(operator):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator)

    answer = strict.post(DIAL, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403
    assert not Call.objects.exists()


def test_the_keyword_list_chosen_beside_the_button_stays_with_the_call(
    browser, twilio_answers
):
    chosen = Vocabulary.objects.create(name="Cardiology", terms="metoprolol")

    browser.post(DIAL, {"vocabulary": chosen.pk})

    assert Call.objects.get().vocabulary == chosen


def test_a_keyword_list_that_is_gone_dials_nothing_and_says_so(browser):
    Vocabulary.objects.create(name="Cardiology")

    answer = browser.post(DIAL, {"vocabulary": 999})

    assert "not one of the available choices" in answer.text
    assert not Call.objects.exists()


@pytest.mark.parametrize("send", [Client.get, Client.post], ids=["get", "post"])
def test_a_stranger_is_sent_to_the_login(client, send):
    answer = send(client, DIAL, headers=TYPED)

    assert answer["Location"] == f"/admin/login/?next={DIAL}"
    assert not Call.objects.exists()


@pytest.mark.parametrize("send", [Client.get, Client.post], ids=["get", "post"])
def test_a_user_who_may_only_read_cannot_dial(client, django_user_model, send):
    reader = django_user_model.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_call"))
    client.force_login(reader)

    answer = send(client, DIAL, headers=TYPED)

    assert answer.status_code == 403
    assert not Call.objects.exists()


def test_a_leading_plus_is_accepted(browser, twilio_answers):
    browser.get("/dial/+14155551234/", headers=TYPED)

    assert Call.objects.get().other_number == NUMBER


@pytest.mark.parametrize(
    "pasted",
    [
        "\u202a+1 415\u2011555\u20111234\u202c",  # from a phone's contacts
        "\u2066+1 415-555-1234\u2069",
        "\u200e+1 (415) 555-1234\u200f",
        "+1\u00a0415\u202f555\u20071234",
        "1415\u200b555\u200d1234\ufeff",
        "1415\u00ad5551234\ufe0f",
        "+1 415–555—1234",
        "+1 415\u2212555\u22121234",
        "1.415.555.1234",
        "+1 [415] 555/1234",
        "＋1 415 555 1234",
        "'+14155551234",
        "’14155551234",
    ],
    ids=ascii,
)
def test_punctuation_pasted_with_a_number_is_ignored(pasted):
    assert clean_number(pasted) == NUMBER


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("0", "country code"),
        ("04155551234", "country code"),
        ("0014155551234", "country code"),
        ("abc", "digits only"),
        ("1415CALLME", "digits only"),
        ("14155551234x5", "digits only"),
        ("14155551234;ext=5", "digits only"),
        ("14155551234,,5", "digits only"),
        ("++14155551234", "digits only"),
        ("-", "digits only"),
        ("123", "7 to 15 digits"),
        ("1415555123412345", "7 to 15 digits"),
        ("1" * 5000, "7 to 15 digits"),
        ("99914155551234", "country code"),
        ("14150000000", "not valid in its country"),
        ("١٤١٥٥٥٥١٢٣٤", "“١” (arabic-indic digit one) is not"),
        ("14155551２34", "“２” (fullwidth digit two) is not"),
        ("1415555123²", "“²” (superscript two) is not"),
        ("1415555O234", "“O” is not a digit"),
        ("1415555О234", "“О” (cyrillic capital letter o) is not"),
        ("1415'5551234", "“&#x27;” is not a digit"),
        ("19002345678", "premium"),
        ("449098790000", "premium"),
        ("14155551234\n", "invisible character (u+000a)"),
        ("14155551234\0", "invisible character (u+0000)"),
        ("14155551234&To=+19002345678", "digits only"),
        ("14155551234' OR 1=1--", "digits only"),
        ("client:alice", "digits only"),
        ("sip:alice@example.com", "digits only"),
        ("<script>alert(1)<", "digits only"),
    ],
)
@pytest.mark.parametrize("send", [Client.get, Client.post], ids=["get", "post"])
def test_invalid_number_gets_a_page_that_says_why(browser, typed, reason, send):
    answer = send(browser, f"/dial/{quote(typed, safe='')}/", headers=TYPED)

    assert answer.status_code == 400
    assert reason in answer.text
    assert "<script>alert" not in answer.text
    assert not Call.objects.exists()


@pytest.mark.parametrize(
    ("typed", "leads_to"),
    [
        ("14155551234", DIAL),
        ("+1 (415) 555-1234", DIAL),
        ("+44 20 7946 0123", "/dial/442079460123/"),
    ],
)
def test_the_dial_box_leads_to_the_page_of_the_number_and_dials_nothing(
    browser, typed, leads_to
):
    answer = browser.get("/dial/", {"number": typed})

    assert answer["Location"] == leads_to
    assert not Call.objects.exists()


@pytest.mark.parametrize("query", [{}, {"number": ""}, {"number": "hello"}])
def test_the_dial_box_says_what_is_wrong(browser, query):
    answer = browser.get("/dial/", query)

    assert answer.status_code == 400
    assert "cannot be called" in answer.text


def test_after_a_typing_mistake_the_dial_box_keeps_the_chosen_list_and_connect_me(
    browser, operator
):
    a_phone(operator)
    Vocabulary.objects.create(name="Heart")
    chosen = Vocabulary.objects.create(name="Lung")

    page = browser.post("/dial/", {"number": "1415", "vocabulary": chosen.pk}).text

    assert f'<option value="{chosen.pk}" selected>Lung</option>' in page
    assert 'name="connect" value="1">Connect me' in page


def test_dialling_again_while_it_rings_leads_to_the_first_call(browser, twilio_answers):
    first = browser.post(DIAL)

    second = browser.post(DIAL, follow=True)

    assert second.redirect_chain == [(first["Location"], 302)]
    assert "is being called already, so no new call was placed" in second.text
    assert twilio_answers.call_count == 1
    assert Call.objects.count() == 1


def test_two_clicks_at_the_same_moment_make_one_request(browser, operator, vendors):
    other_tab = Client()
    other_tab.force_login(operator)
    locations = []

    def while_twilio_is_asked(request):
        locations.append(other_tab.post(DIAL)["Location"])
        return 201, {}, json.dumps(load("twilio/call"))

    asked = vendors.add_callback(responses.POST, CALLS, while_twilio_is_asked)
    locations.append(browser.post(DIAL)["Location"])

    assert locations == [f"/calls/{Call.objects.get().uuid}/"] * 2
    assert asked.call_count == 1


def test_the_database_refuses_a_second_unfinished_call_to_a_number():
    a_call(status="ringing")

    with pytest.raises(IntegrityError), transaction.atomic():
        a_call()

    assert Call.objects.count() == 1


@pytest.mark.parametrize("ended", Call.FINISHED)
def test_a_number_can_be_called_again_once_its_call_has_ended(
    browser, twilio_answers, ended
):
    a_call(status=ended)

    browser.post(DIAL)

    assert twilio_answers.call_count == 1
    assert Call.objects.count() == 2


def test_the_row_is_stored_before_twilio_hears_of_it(browser, vendors):
    seen = []

    def look(request):
        seen.extend(Call.objects.values_list("other_number", "status", "sid"))
        return 201, {}, json.dumps(load("twilio/call"))

    vendors.add_callback(responses.POST, CALLS, look)
    browser.post(DIAL)

    assert seen == [(NUMBER, "dialing", None)]


def test_request_to_twilio_has_the_expected_parameters(
    browser, twilio_answers, settings
):
    settings.RECORDING_MAX_SECONDS = 200

    browser.post(DIAL)

    uuid = Call.objects.get().uuid
    base = "https://djtranscribe.example.com"
    request = twilio_answers.calls[0].request
    assert parse_qs(request.body) == {
        "To": [NUMBER],
        "From": ["+14155550100"],
        "Url": [f"{base}/record/?call={uuid}#rc=3&rp=all"],
        "StatusCallback": [f"{base}/webhooks/twilio/call/?call={uuid}#rc=3&rp=all"],
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
        "TimeLimit": ["320"],
    }
    assert request.req_kwargs["timeout"] == (3.05, 15)
    assert request.headers["Authorization"].startswith("Basic ")


def test_nothing_of_the_number_or_our_secrets_is_logged(
    browser, twilio_answers, caplog
):
    caplog.set_level("INFO")

    browser.post(DIAL)

    assert "dial=placed" in caplog.text
    assert "5551234" not in caplog.text
    assert "tests-only-token" not in caplog.text


def test_the_operator_who_dialled_can_be_deleted_without_the_call(
    browser, operator, twilio_answers
):
    browser.post(DIAL)

    User.objects.get(pk=operator.pk).delete()

    assert Call.objects.get().requested_by is None
