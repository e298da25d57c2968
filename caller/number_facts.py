"""Facts about a phone number: formats for people, its country, its local time."""

from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberFormat,
)

# Google's library uses this "country" for satellite networks and other global
# services: +800, +870, +881…
GLOBAL_SERVICES = "001"
# If the possible local times of a number differ by more than this, use none of them.
# For example, a toll-free number with +1 may be anywhere from Newfoundland to Guam. It
# is nearly always night somewhere there, so a warning would not help.
MAX_TIME_DIFFERENCE = timedelta(hours=6)


def format_international(number: str) -> str:
    """Format a number for people: `+14155551234` -> `+1 415-555-1234`.

    Text that cannot be parsed is returned unchanged.
    """
    found = parse_number(number)
    if found is None:
        return number
    return phonenumbers.format_number(found, PhoneNumberFormat.INTERNATIONAL)


def format_national(number: str) -> str:
    """Return the national format: `+14155551234` -> `(415) 555-1234`.

    Text that cannot be parsed is returned unchanged.
    """
    found = parse_number(number)
    if found is None:
        return number
    return phonenumbers.format_number(found, PhoneNumberFormat.NATIONAL)


def calling_code(number: str) -> str:
    """Return the calling code: `1` for `+14155551234`, or "" if it is unknown."""
    found = parse_number(number)
    return str(found.country_code) if found else ""


def country_code(number: str) -> str:
    """Return the country's ISO code, such as `US`, or "" if it is unknown.

    The calling code is not enough: 25 countries share +1.
    """
    found = parse_number(number)
    return (phonenumbers.region_code_for_number(found) or "") if found else ""


def country(number: str) -> str:
    """Return the country's English name, or "" if it is unknown."""
    # Import `geocoder` only when it is needed, because the import takes 40 ms.
    from phonenumbers import geocoder

    found = parse_number(number)
    return (geocoder.country_name_for_number(found, "en") or "") if found else ""


@cache
def country_name(code: str) -> str:
    """Return the name: `United States` for `US`. Without a name, return the code."""
    example = phonenumbers.example_number(code)
    return (country(e164(example)) if example else "") or code


def region(number: str) -> str:
    """Return the place in English, such as `San Francisco, CA`, or the country.

    Return "" if both are unknown.
    """
    from phonenumbers import geocoder

    found = parse_number(number)
    return (geocoder.description_for_number(found, "en") or "") if found else ""


def local_times(number: str, now: datetime) -> list[datetime]:
    """Return the possible local times at the place of a number, earliest first.

    A region with several time zones has several times. The list is empty if the region
    is unknown, or if the times differ by more than MAX_TIME_DIFFERENCE.
    """
    from phonenumbers import timezone as zones

    found = parse_number(number)
    names = zones.time_zones_for_number(found) if found else ()
    times = []
    for name in names:
        with suppress(ZoneInfoNotFoundError):
            times.append(now.astimezone(ZoneInfo(name)))
    distinct = {time.replace(tzinfo=None): time for time in times}
    clocks = sorted(distinct)
    if clocks and clocks[-1] - clocks[0] > MAX_TIME_DIFFERENCE:
        return []
    return [distinct[clock] for clock in clocks]


def international_prefix(country: str) -> str:
    """Return a regular expression for the prefix of calls abroad: `011` for `US`.

    country: the ISO code of a country. If it is unknown, return `00`.
    """
    found = PhoneMetadata.metadata_for_region(country)
    return (found.international_prefix if found else None) or "00"


def is_valid(number: str) -> bool:
    """Return whether this is a valid number with its country code: `+14155551234`."""
    found = parse_number(number)
    return found is not None and phonenumbers.is_valid_number(found)


def e164(number: PhoneNumber) -> str:
    """Return `+` and the digits, country code first: `+14155551234`."""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def parse_number(number: str, region: str | None = None) -> PhoneNumber | None:
    """Return the parsed number, or None if it cannot be parsed.

    region: the ISO code of the country in which a number without `+` was written. None:
    a number without `+` cannot be parsed.
    """
    try:
        return phonenumbers.parse(number, region)
    except NumberParseException:
        return None
