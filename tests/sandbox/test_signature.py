import pytest
from twilio.request_validator import RequestValidator

from sandbox.twilio.signature import sign


def test_signature_matches_the_twilio_example():
    params = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }

    signature = sign("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", params)

    assert signature == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.mark.parametrize("params", [{}, {"A": ""}, {"b": "ü ö", "B": "2", "a": "&="}])
def test_twilios_sdk_accepts_what_the_stand_in_signs(params):
    url = "http://localhost:8000/webhooks/twilio/call/?call=1"

    signature = sign("token", url, params)

    assert RequestValidator("token").validate(url, params, signature)
    assert not RequestValidator("other").validate(url, params, signature)
