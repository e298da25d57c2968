"""Read and check the phone numbers that people type and that Twilio sends."""

import re
import unicodedata

import phonenumbers
from django.conf import settings
from django.core.exceptions import ValidationError
from phonenumbers import (
    NumberParseException,
    PhoneNumberFormat,
    PhoneNumberType,
)

from caller.number_facts import (
    calling_code,
    country_code,
    e164,
    international_prefix,
    is_valid,
    parse_number,
)

# [0-9], because \d also matches digits of other scripts. Twilio needs ASCII digits.
E164 = re.compile(r"\+[1-9][0-9]{6,14}")

# We do not call numbers of these kinds: they can be expensive, or no person answers.
REFUSED_KINDS = {
    PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    PhoneNumberType.SHARED_COST: "a shared-cost number",
    PhoneNumberType.PERSONAL_NUMBER: "a personal (follow-me) number",
    PhoneNumberType.PAGER: "a pager",
    PhoneNumberType.UAN: "a company-wide access number (UAN)",
    PhoneNumberType.VOICEMAIL: "a voicemail access number",
    PhoneNumberType.UNKNOWN: "a number of a kind that its country does not publish",
}
# British 03 numbers are allowed, although the library phonenumbers calls them UAN. They
# cost the same as a landline (ofcom.org.uk, "The National Telephone Numbering Plan").
LANDLINE_PRICE = "+443"
# Twilio sends this if the number is withheld: the word UNAVAILABLE, typed on a phone's
# keys. The result looks like a Chinese number (+86).
UNAVAILABLE = "+86282452253"
# Characters to remove, because people paste them together with a number.
SEPARATORS = "()[]./\N{MIDDLE DOT}\N{MINUS SIGN}"
SEPARATOR_CATEGORIES = {
    "Cf",  # format: invisible, such as U+200B and the direction marks of contact lists
    "Pd",  # dash
    "Zs",  # space
}
# More invisible characters to remove. They are in none of the categories above.
BLANKS = "\N{COMBINING GRAPHEME JOINER}\N{BRAILLE PATTERN BLANK}\N{HANGUL FILLER}"
VARIATION_SELECTORS = "".join(map(chr, range(0xFE00, 0xFE10)))
# Remove these from the start of a number. In a spreadsheet, an apostrophe marks a cell
# as text, and people copy it together with the number.
APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"
PLUS_SIGNS = "+", "\N{FULLWIDTH PLUS SIGN}"


def clean_number(value: str) -> str:
    """Check a number to call, and return it as E.164, see `normalise_number`.

    Raises ValidationError, with a message for the operator, if the number is invalid or
    of a kind in REFUSED_KINDS.
    """
    number = normalise_number(value)
    kind = REFUSED_KINDS.get(phonenumbers.number_type(phonenumbers.parse(number)))
    if kind and not number.startswith(LANDLINE_PRICE):
        raise ValidationError(
            f"This is {kind}. This site calls only landline, mobile, VoIP and "
            "toll-free numbers, because other numbers can be very expensive.",
            code="premium",
        )
    return number


def normalise_number(value: str) -> str:
    """Return a number of any kind as E.164: `1 415-555-1234` -> `+14155551234`.

    Numbers of REFUSED_KINDS are accepted, because such numbers may call us. Raises
    ValidationError, with a message for the operator, if the number is invalid.
    """
    written = without_separators(value)
    number = f"+{written}"
    if not _is_digits(written):
        strange = next((c for c in written if not _is_digits(c)), "")
        raise ValidationError(
            f"{_describe_character(strange)}A number has digits only, country code "
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
        phone = phonenumbers.parse(number)
    except NumberParseException as error:
        raise ValidationError(
            "There is no such country code. Check the first digits.", code="no-country"
        ) from error
    if not phonenumbers.is_valid_number(phone):
        country = phonenumbers.region_code_for_country_code(phone.country_code or 0)
        raise ValidationError(
            f"This number is not valid in its country ({country}). Check each digit.",
            code="invalid",
        )
    # Convert all spellings (+44 020…, +44 20…) to one form, for the limits and the
    # do-not-call list.
    return e164(phone)


def with_country_code(typed: str) -> str:
    """Convert a number in the format of our own country to `+` and digits.

    Our country is the country of TWILIO_PHONE_NUMBER. Examples for a British site:
    - 020 7946 0123 -> +442079460123
    - 001 415 555 2671 -> +14155552671
    Any other text is returned unchanged. `normalise_number` checks the text.

    Some digits are valid both as a national and as an international number:
    - On an American site, 6462123456 is read as a number in New York, not in New
      Zealand (+64).
    - On a German site, 442079460123 is read as a number in London (+44). The German
      number must be written with a 0 in front: 0442079460123.
    """
    digits = digits_of(typed)
    if not digits or has_plus(typed):
        return typed
    number = parse_number(digits, country_code(settings.TWILIO_PHONE_NUMBER))
    if number is None or not phonenumbers.is_valid_number(number):
        return typed
    as_at_home = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    if is_valid(f"+{digits}") and digits_of(as_at_home) != digits:
        return typed
    return e164(number)


def caller_number(value: str) -> str:
    """Return the caller's number, such as +14155551234.

    Return an empty string if the number is withheld or invalid. For a withheld number,
    Twilio sends a word such as `anonymous`, or this word typed on a phone's keys:
    +266696687. Neither is a valid number.
    """
    is_real = E164.fullmatch(value) and value != UNAVAILABLE and is_valid(value)
    return value if is_real else ""


def validate_number(value: str) -> None:
    normalise_number(value)


def is_number(typed: str) -> bool:
    """Return whether this is a phone number or a part of a number, in any spelling."""
    return bool(digits_of(typed))


def possible_beginnings(typed: str) -> list[str]:
    """Return one beginning of an E.164 number for each way to read the typed digits.

    typed: a text for which `is_number` is true. Examples for an American site:
    - `44 20` gives `+4420` (read as an international number) and `+14420` (national).
    - `011 44` gives `+01144` (read as an international number), `+11144` (national) and
      `+44` (011 is read as the prefix for international calls, which `+` replaces).
    """
    digits = digits_of(typed)
    beginnings = {digits}
    if not has_plus(typed):
        home = settings.TWILIO_PHONE_NUMBER
        beginnings.add(f"{calling_code(home)}{digits.lstrip('0')}")
        beginnings.add(digits_of(with_country_code(digits)))
        for prefix in ("00", international_prefix(country_code(home))):
            beginnings.add(re.sub(f"^(?:{prefix})(?=.)", "", digits))
    return sorted(f"+{each}" for each in beginnings)


def without_separators(value: str) -> str:
    """Remove separators and the `+`: `+1 (415) 555-1234` -> `14155551234`.

    Leading apostrophes are removed, too. Other characters, such as letters, are kept.
    """
    written = _kept_characters(value)
    return written[1:] if has_plus(value) else written


def has_plus(value: str) -> bool:
    """Return whether the number in `value` begins with `+`, as in `(+44) 20`."""
    return _kept_characters(value).startswith(PLUS_SIGNS)


def _kept_characters(value: str) -> str:
    return "".join(filter(_is_kept, value)).lstrip(APOSTROPHES)


def _is_kept(character: str) -> bool:
    return (
        unicodedata.category(character) not in SEPARATOR_CATEGORIES
        and character not in SEPARATORS
        and character not in BLANKS
        and character not in VARIATION_SELECTORS
    )


def _is_digits(written: str) -> bool:
    return written.isascii() and written.isdigit()


def digits_of(value: str) -> str:
    """Return the digits without separators, or "" if there are other characters."""
    written = without_separators(value)
    return written if _is_digits(written) else ""


def _describe_character(character: str) -> str:
    """Return a sentence that names the refused character.

    A character that is not ASCII may look like an ASCII character, so add its Unicode
    name.
    """
    if not character:
        return ""
    if character.isascii() and character.isprintable():
        return f"“{character}” is not a digit. "
    name = unicodedata.name(character, f"U+{ord(character):04X}").lower()
    if character.isprintable():
        return f"“{character}” ({name}) is not one of the digits 0 to 9. "
    return f"The number contains an invisible character ({name}). "
