"""Phone numbers that somebody is still typing: their format, and which can be right."""

import phonenumbers
from django.conf import settings
from phonenumbers import PhoneNumber, ValidationResult

from caller.number_facts import (
    calling_code,
    country_code,
    format_international,
    format_national,
    is_valid,
    parse_number,
)
from caller.phone_numbers import digits_of, has_plus, with_country_code


def format_while_typing(value: str) -> str:
    """Format a number while it is typed: `1415555` -> `+1 415-555`.

    - A number with `+` is formatted from the first digit on.
    - On an American site, a number that begins with 1 is formatted like this, too.
    - Any other number is returned unchanged until the number is complete.
    - Text that is not a number is returned unchanged.
    """
    digits = digits_of(value)
    if not digits:
        return value
    whole = f"+{digits_of(with_country_code(value))}"
    is_american = digits[0] == calling_code(settings.TWILIO_PHONE_NUMBER) == "1"
    if not has_plus(value) and not is_american:
        home = country_code(settings.TWILIO_PHONE_NUMBER)
        # On an American site, wait for more digits: 469922704 is valid in Sweden (+46),
        # but the operator may be typing 469-922-7041.
        is_whole = is_valid(whole) and not _is_too_short(parse_number(digits, home))
        is_national = whole == f"+{calling_code(settings.TWILIO_PHONE_NUMBER)}{digits}"
        # On a German site, wait, too: 4420794601 may be a German number without its 0,
        # but the operator may be typing 442079460123, a number in London.
        lacks_zero = is_national and digits_of(format_national(whole)) != digits
        if not is_whole or (lacks_zero and _may_be_longer(whole)):
            return value
        return format_international(whole)
    formatter = phonenumbers.AsYouTypeFormatter("ZZ")
    formatted = value
    for character in whole:
        formatted = formatter.input_digit(character)
    return formatted


def may_continue(value: str) -> bool:
    """Return whether more digits could make this a valid number."""
    digits = digits_of(value)
    home = country_code(settings.TWILIO_PHONE_NUMBER)
    readings = [parse_number(f"+{digits}")]
    if digits and not has_plus(value):
        readings.append(parse_number(digits, home))
    if not any(readings):
        # The value cannot be parsed. It may be only a country code, such as `+1`.
        return 0 < len(digits) < 5
    return any(map(_is_too_short, readings))


def _is_too_short(number: PhoneNumber | None) -> bool:
    return number is not None and phonenumbers.is_possible_number_with_reason(
        number
    ) in (ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY)


def _may_be_longer(number: str) -> bool:
    """Return whether numbers of the same kind, such as mobile, may be longer."""
    kind = phonenumbers.number_type(phonenumbers.parse(number))
    reason = phonenumbers.is_possible_number_for_type_with_reason(
        phonenumbers.parse(f"{number}0"), kind
    )
    return reason != ValidationResult.TOO_LONG
