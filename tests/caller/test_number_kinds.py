"""Only landline, mobile, VoIP and toll-free numbers are dialled."""

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from phonenumbers import PhoneNumberType

from caller.contacts.files import import_contacts
from caller.models import Call, Contact, DoNotCall
from caller.phone_numbers import clean_number
from djtranscribe.models import ApiToken
from tests.caller.rows import TYPED
from tests.caller.test_dialling import examples
from tests.data import load

pytestmark = pytest.mark.django_db

EXPENSIVE = {
    "UK personal": "447012345678",
    "UK personal, written with its trunk zero": "4407012345678",
    "Jersey personal": "447015115678",
    "NANP personal": "15002345678",
    "German personal": "4970012345678",
    "UK pager": "447640123456",
    "Belgian UAN": "3278102345",
    "German UAN": "4918500123456",
    "UK corporate (055)": "445512345678",
    "Swiss voicemail": "41860123456789",
    "NANP premium": "19005551234",
    "Caribbean premium (Barbados)": "19002123456",
    "Italian personal": "391781234567",
}


@pytest.mark.parametrize("digits", EXPENSIVE.values(), ids=EXPENSIVE)
def test_a_number_with_a_price_of_its_own_is_refused_everywhere(
    browser, operator, vendors, settings, digits
):
    settings.DIAL_COUNTRIES = ["GB", "US", "DE", "BE", "CH", "BB", "JE", "IT"]
    token = ApiToken(user=operator, name="test")
    bearer = {"Authorization": f"Bearer {token.new_secret()}"}
    token.save()

    typed = browser.get(f"/dial/{digits}/", headers=TYPED)
    pressed = browser.post(f"/dial/{digits}/")
    asked = browser.post(
        "/api/calls", {"to": digits}, content_type="application/json", headers=bearer
    )
    with pytest.raises(CommandError, match="calls only landline, mobile, VoIP"):
        call_command("dial", digits, operator="ada")

    assert (typed.status_code, pressed.status_code, asked.status_code) == (
        *(400, 400),
        422,
    )
    for answer in (typed, pressed, asked):
        assert "calls only landline, mobile, VoIP and toll-free" in answer.text
    assert not Call.objects.exists()
    assert len(vendors.calls) == 0


@pytest.mark.parametrize("number", ["+448451234567", "+19005551234"])
def test_who_calls_from_such_a_number_can_be_named_and_blocked(
    browser, operator, signed_post, number
):
    operator.user_permissions.add(Permission.objects.get(codename="add_contact"))
    ringing = load("twilio/inbound", From=number)

    answered = signed_post("/answer/", ringing)
    page = Call.objects.get().get_absolute_url()
    browser.post(f"{page}number/name/", {"name": "Bank"})
    imported = import_contacts(f"name,number\nBank,{number}\n".encode())
    DoNotCall.objects.create(number=number, blocks_incoming=True)
    blocked = signed_post("/answer/", {**ringing, "CallSid": "CA" + "9" * 32})

    assert "<Record" in answered.text
    assert Contact.objects.get().numbers.get().number == number
    assert imported.known_count == 1
    assert "<Record" not in blocked.text


@pytest.mark.parametrize(
    "kind",
    [
        PhoneNumberType.PERSONAL_NUMBER,
        PhoneNumberType.PAGER,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
    ],
)
def test_these_kinds_are_refused_in_every_country(kind):
    for number in examples(kind):
        with pytest.raises(ValidationError) as caught:
            clean_number(number)
        assert caught.value.code in ("premium", "length"), number


@pytest.mark.parametrize("kind", [PhoneNumberType.VOIP, PhoneNumberType.TOLL_FREE])
def test_voip_and_toll_free_numbers_of_every_country_are_dialled(kind):
    for number in examples(kind):
        assert clean_number(number) == number


@pytest.mark.parametrize("number", ["+443001234567", "+443451234567"])
def test_british_03_numbers_cost_what_a_landline_costs(number):
    assert clean_number(number) == number


SERVICES = {
    "Inmarsat": "870301234567",
    "universal personal": "878101234567890",
    "Globalstar and Iridium": "881612345678",
    "international networks": "8823421234",
    "iNum": "883510012345",
    "international premium": "979123456789",
    "international shared cost": "80812345678",
}


@pytest.mark.parametrize("digits", SERVICES.values(), ids=SERVICES)
@pytest.mark.parametrize("allowed", [[], ["US", "001"]], ids=["own country", "001"])
def test_global_services_are_never_dialled(browser, vendors, settings, digits, allowed):
    settings.DIAL_COUNTRIES = allowed

    page = browser.post(f"/dial/{digits}/", follow=True)

    assert "very expensive" in page.text
    assert not Call.objects.exclude(status="refused").exists()
    assert len(vendors.calls) == 0
