"""The stand-in redacts numbers, as AssemblyAI does with `redact_pii`."""

import pytest

from sandbox.assemblyai.wording import text_of

SAID = ["Call", "five", "5551234,", "One,", "someone", "at", "8:30."]
WORDS = [{"text": text} for text in SAID]


def test_numbers_are_left_out_if_a_policy_says_so():
    request = {"redact_pii": True, "redact_pii_policies": ["phone_number"]}

    assert text_of(WORDS, request) == "Call #### #### #### someone at ####"


@pytest.mark.parametrize(
    "request_body",
    [
        {},
        {"redact_pii": True, "redact_pii_policies": ["person_name"]},
        {"redact_pii": False, "redact_pii_policies": ["phone_number"]},
    ],
)
def test_text_is_unchanged_without_the_phone_number_policy(request_body):
    assert text_of(WORDS, request_body) == " ".join(SAID)
