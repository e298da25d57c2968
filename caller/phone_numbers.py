"""Parse, check and format phone numbers, with Google's numbering plans."""

import re
import unicodedata
from contextlib import suppress
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from django.conf import settings
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

# Only landline, mobile, VoIP and toll-free numbers may be called. For the others the
# owner sets the price, or no person answers.
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
# The word on a phone's keys, see of_caller. It may also be a number in China.
UNAVAILABLE = "+86282452253"
# The "country" of satellite networks and other global services: +800, +870, +881, +882…
GLOBAL_SERVICES = "001"

# What is pasted together with a number and is not a part of it. Format characters are
# invisible, such as U+200B and the direction marks around a number in a contact list.
SEPARATORS = "()[]./\N{MIDDLE DOT}\N{MINUS SIGN}"
SEPARATOR_CATEGORIES = {
    "Cf",  # format
    "Pd",  # dash
    "Zs",  # space
}
# Of no category above, and invisible all the same.
BLANKS = "\N{COMBINING GRAPHEME JOINER}\N{BRAILLE PATTERN BLANK}\N{HANGUL FILLER}"
VARIATION_SELECTORS = "".join(map(chr, range(0xFE00, 0xFE10)))
# A spreadsheet's mark for text. Our own tables had it once.
APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"
PLUS_SIGNS = "+\N{FULLWIDTH PLUS SIGN}"


def clean_number(value: str) -> str:
    """`14155551234`, `+14155551234` or `+1 415-555-1234` -> `+14155551234`.

    Raises ValidationError with a sentence for the operator.
    """
    written = without_separators(value)
    number = f"+{written}"
    if not _is_digits(written):
        strange = next((c for c in written if not _is_digits(c)), "")
        raise ValidationError(
            f"{_described(strange)}A number to dial has digits only, country code "
            "first, such as 14155551234. No extension, no letters.",
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
    # One form for different spellings (+44 020…, +44 20…), so that limits and the
    # do-not-call list cover all of them.
    cleaned = _e164(parsed)
    kind = REFUSED_KINDS.get(phonenumbers.number_type(parsed))
    if kind and not cleaned.startswith(LANDLINE_PRICE):
        raise ValidationError(
            f"This is {kind}. Only landline, mobile, VoIP and toll-free numbers are "
            "dialled, because calls to others can be very expensive (premium).",
            code="premium",
        )
    return cleaned


def with_country_code(typed: str) -> str:
    """Return what was typed with its country code: `+` and digits.

    A number as it is written in the country of TWILIO_PHONE_NUMBER, such as
    (415) 555-1234 or 020 7946 0123, gets that country's code. So does `00`, or `011` in
    North America, before another one. Everything else is returned unchanged, for
    clean_number to judge. A number that can be read both ways is international: that is
    how the address /dial/14155551234/ means it.
    """
    digits = _digits(typed)
    if not digits or typed.strip()[:1] in PLUS_SIGNS or _is_valid(f"+{digits}"):
        return typed
    number = _parsed(digits, country_code(settings.TWILIO_PHONE_NUMBER))
    is_valid = number is not None and phonenumbers.is_valid_number(number)
    return _e164(number) if number and is_valid else typed


def _is_valid(number: str) -> bool:
    parsed = _parsed(number)
    return parsed is not None and phonenumbers.is_valid_number(parsed)


def of_caller(value: str) -> str:
    """Return the number of who calls us, such as +14155551234, or "" if it is withheld.

    Instead of a withheld number, Twilio sends a word, or its digits on the keys of a
    phone, such as +266696687 (anonymous). They are not valid numbers, but for one.
    """
    is_real = E164.fullmatch(value) and value != UNAVAILABLE and _is_valid(value)
    return value if is_real else ""


def validate_number(value: str) -> None:
    clean_number(value)


def is_number(typed: str) -> bool:
    """Return whether this is a number or a part of one, in any spelling."""
    return bool(_digits(typed))


def for_people(number: str) -> str:
    """`+14155551234` -> `+1 415-555-1234`. Returns invalid numbers unchanged."""
    parsed = _parsed(number)
    if parsed is None:
        return number
    return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)


def national(number: str) -> str:
    """`+14155551234` -> `(415) 555-1234`, the national format."""
    parsed = _parsed(number)
    if parsed is None:
        return number
    return phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)


def as_typed(value: str) -> str:
    """Format a number while it is typed: `1415555` -> `+1 415-555`.

    A number that may still become a national one, and other text, stay unchanged.
    """
    digits = _digits(value)
    home = calling_code(settings.TWILIO_PHONE_NUMBER)
    whole = with_country_code(value)
    if not digits:
        return value
    if value.strip()[:1] not in PLUS_SIGNS and not digits.startswith(home):
        is_whole = _is_valid(f"+{_digits(whole)}")
        return for_people(f"+{_digits(whole)}") if is_whole else value
    formatter = phonenumbers.AsYouTypeFormatter("ZZ")
    formatted = value
    for character in f"+{_digits(whole)}":
        formatted = formatter.input_digit(character)
    return formatted


def may_continue(value: str) -> bool:
    """Return whether more digits could make this a valid number."""
    digits = _digits(value)
    home = country_code(settings.TWILIO_PHONE_NUMBER)
    readings = [_parsed(f"+{digits}")]
    if digits and value.strip()[:1] not in PLUS_SIGNS:
        readings.append(_parsed(digits, home))
    if not any(readings):
        # Only a country code, such as `+1`.
        return 0 < len(digits) < 5
    return any(
        phonenumbers.is_possible_number_with_reason(number)
        in (ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY)
        for number in readings
        if number
    )


def calling_code(number: str) -> str:
    """Return the calling code: `1` for `+14155551234`, or ""."""
    parsed = _parsed(number)
    return str(parsed.country_code) if parsed else ""


def country_code(number: str) -> str:
    """Return the country, such as `US`, or "". +1 alone is 25 countries."""
    parsed = _parsed(number)
    return (phonenumbers.region_code_for_number(parsed) or "") if parsed else ""


def country(number: str) -> str:
    """Return the country's English name, or ""."""
    # Imported late because it takes 40 ms.
    from phonenumbers import geocoder

    parsed = _parsed(number)
    return (geocoder.country_name_for_number(parsed, "en") or "") if parsed else ""


@cache
def country_name(code: str) -> str:
    """Return `United States` for `US`, or the code if it has no name."""
    example = phonenumbers.example_number(code)
    return (country(_e164(example)) if example else "") or code


def region(number: str) -> str:
    """Return the place, such as `San Francisco, CA`, or the country."""
    from phonenumbers import geocoder

    parsed = _parsed(number)
    return (geocoder.description_for_number(parsed, "en") or "") if parsed else ""


def local_times(number: str, now: datetime) -> list[datetime]:
    """Return the possible local times of a number, earliest first.

    Several if its region has several time zones, none if the region is unknown.
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


def without_separators(value: str) -> str:
    """`+1 (415) 555-1234` -> `14155551234`. Other characters stay where they are."""
    written = "".join(filter(_is_part, value)).lstrip(APOSTROPHES)
    return written[1:] if written[:1] in PLUS_SIGNS else written


def _is_part(character: str) -> bool:
    return (
        unicodedata.category(character) not in SEPARATOR_CATEGORIES
        and character not in SEPARATORS
        and character not in BLANKS
        and character not in VARIATION_SELECTORS
    )


def _is_digits(written: str) -> bool:
    return written.isascii() and written.isdigit()


def _digits(value: str) -> str:
    """Return the digits without separators, or "" if there is other text."""
    written = without_separators(value)
    return written if _is_digits(written) else ""


def _described(character: str) -> str:
    """Say which character is refused. A letter of another script may look like ours."""
    if not character:
        return ""
    if character.isascii() and character.isprintable():
        return f"“{character}” is not a digit. "
    name = unicodedata.name(character, f"U+{ord(character):04X}").lower()
    if character.isprintable():
        return f"“{character}” ({name}) is not one of the digits 0 to 9. "
    return f"There is an invisible character ({name}) in it. "


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _parsed(number: str, region: str | None = None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(number, region)
    except NumberParseException:
        return None
