"""Which numbers may be dialled, judged by Google's numbering plans."""

import re
from contextlib import suppress
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from django.core.exceptions import ValidationError
from phonenumbers import (
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
)

# ASCII only: \d would let digits of other scripts through to Twilio.
E164 = re.compile(r"\+[1-9][0-9]{6,14}")

# Landlines, mobiles, VoIP and toll-free numbers are dialled. Nothing else is: the price
# of these kinds is set by whoever owns the number, or no person answers.
REFUSED_KINDS = {
    PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    PhoneNumberType.SHARED_COST: "a shared-cost number",
    PhoneNumberType.PERSONAL_NUMBER: "a personal (follow-me) number",
    PhoneNumberType.PAGER: "a pager",
    PhoneNumberType.UAN: "a company-wide access number (UAN)",
    PhoneNumberType.VOICEMAIL: "a voicemail access number",
    PhoneNumberType.UNKNOWN: "a number of a kind that its country does not publish",
}
# Google files British 03 numbers under UAN. By Ofcom's rules they cost the same as a
# landline: ofcom.org.uk, "The National Telephone Numbering Plan".
LANDLINE_PRICE = "+443"
# The "country" of satellite networks and other global services: +800, +870, +881, +882…
GLOBAL_SERVICES = "001"


def clean_number(value: str) -> str:
    """`14155551234`, `+14155551234` or `+1 415-555-1234` -> `+14155551234`.

    Raises ValidationError with a sentence that says what is wrong.
    """
    number = f"+{_digits(value)}"
    if number == "+":
        raise ValidationError(
            "A number to dial has digits only, country code first, such as "
            "14155551234. No extension, no letters.",
            code="not-digits",
        )
    if number[1] == "0":
        raise ValidationError(
            "Begin with the country code, without zeros in front: 14155551234 in the "
            "USA, 442079460123 in the United Kingdom.",
            code="no-country",
        )
    if not E164.fullmatch(number):
        raise ValidationError(
            "A number has 7 to 15 digits with its country code; this one has "
            f"{len(number) - 1}.",
            code="length",
        )
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException as error:
        raise ValidationError(
            "No country has this country code.", code="no-country"
        ) from error
    if not phonenumbers.is_valid_number(parsed):
        country = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
        raise ValidationError(
            f"This is not a number that can exist in its country ({country}). "
            "Compare it digit by digit.",
            code="invalid",
        )
    # Different spellings (+44 020…, +44 20…) become one, so that the limits and the
    # do-not-call list cover them all.
    cleaned = _e164(parsed)
    kind = REFUSED_KINDS.get(phonenumbers.number_type(parsed))
    if kind and not cleaned.startswith(LANDLINE_PRICE):
        raise ValidationError(
            f"This is {kind}. Only landline, mobile, VoIP and toll-free numbers are "
            "dialled, because calls to others can be very expensive (premium).",
            code="premium",
        )
    return cleaned


def validate_number(value: str) -> None:
    clean_number(value)


def for_people(number: str) -> str:
    """`+14155551234` -> `+1 415-555-1234`; what cannot be parsed stays as it is."""
    parsed = _parsed(number)
    if parsed is None:
        return number
    return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)


def national(number: str) -> str:
    """`+14155551234` -> `(415) 555-1234`, as it is written where it rings."""
    parsed = _parsed(number)
    if parsed is None:
        return number
    return phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)


def as_typed(value: str) -> str:
    """`1415555` -> `+1 415-555`: a number that is not all there yet. What holds
    anything but digits and what people put between them stays as it is."""
    digits = _digits(value)
    if not digits:
        return value
    formatter = phonenumbers.AsYouTypeFormatter("ZZ")
    formatted = value
    for character in f"+{digits}":
        formatted = formatter.input_digit(character)
    return formatted


def may_continue(value: str) -> bool:
    """Whether more digits could still make a number of this one."""
    digits = _digits(value)
    parsed = _parsed(f"+{digits}")
    if parsed is None:
        # `+1`: a country and nothing else.
        return 0 < len(digits) < 5
    return phonenumbers.is_possible_number_with_reason(parsed) in (
        ValidationResult.TOO_SHORT,
        ValidationResult.IS_POSSIBLE_LOCAL_ONLY,
    )


def calling_code(number: str) -> str:
    """`1` of `+14155551234`, or empty."""
    parsed = _parsed(number)
    return str(parsed.country_code) if parsed else ""


def country_code(number: str) -> str:
    """`US`, by the whole number: +1 alone is twenty-five countries. Or empty."""
    parsed = _parsed(number)
    return (phonenumbers.region_code_for_number(parsed) or "") if parsed else ""


def country(number: str) -> str:
    """The country's English name, or an empty string."""
    # Imported late: the names of the world's regions take 40 ms to load.
    from phonenumbers import geocoder

    parsed = _parsed(number)
    return (geocoder.country_name_for_number(parsed, "en") or "") if parsed else ""


@cache
def country_name(code: str) -> str:
    """`United States` for `US`; a code without a name stays as it is."""
    example = phonenumbers.example_number(code)
    return (country(_e164(example)) if example else "") or code


def region(number: str) -> str:
    """`San Francisco, CA`, or the country where the plan says no more."""
    from phonenumbers import geocoder

    parsed = _parsed(number)
    return (geocoder.description_for_number(parsed, "en") or "") if parsed else ""


def local_times(number: str, now: datetime) -> list[datetime]:
    """The times that it may be there, one for each clock time, earliest first.

    A mobile number's plan may span a continent; none if the plan says nothing.
    """
    from phonenumbers import timezone as zones

    parsed = _parsed(number)
    names = zones.time_zones_for_number(parsed) if parsed else ()
    times = []
    for name in names:
        with suppress(ZoneInfoNotFoundError):
            times.append(now.astimezone(ZoneInfo(name)))
    distinct = {time.replace(tzinfo=None): time for time in times}
    return [distinct[clock] for clock in sorted(distinct)]


def _digits(value: str) -> str:
    """Without what people put between them; empty if there is anything else."""
    digits = re.sub(r"[ ().-]", "", value).removeprefix("+")
    return digits if digits.isascii() and digits.isdigit() else ""


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _parsed(number: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(number)
    except NumberParseException:
        return None
