"""Time zones: names, choices for forms, labels, and the start of a day.

In a request, the current zone is the operator's. Elsewhere it is TIME_ZONE.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, tzinfo
from functools import cache
from pathlib import Path
from zoneinfo import available_timezones

from django.utils import timezone

# Names in zoneinfo that are not zones: `localtime` is the setting of this machine, and
# `Factory` is a placeholder.
NOT_ZONES = {"localtime", "Factory"}
# If this folder exists, Django's settings accept only the zones in it.
SYSTEM_ZONES = Path("/usr/share/zoneinfo")
# Offer only UTC and these regions. Most other names, such as "EST", are old aliases.
REGIONS = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia"),
    *("Europe", "Indian", "Pacific"),
)


@cache
def names() -> frozenset[str]:
    """Return all IANA names, such as `Asia/Kolkata`."""
    return frozenset(available_timezones() - NOT_ZONES)


def is_setting(name: str) -> bool:
    """Return whether Django accepts this TIME_ZONE."""
    if name not in names():
        return False
    return not SYSTEM_ZONES.exists() or (SYSTEM_ZONES / name).is_file()


def choices() -> list[tuple[str, str | list[tuple[str, str]]]]:
    """Return choices for a form field, by region. The choice "" means the default."""
    found: list[tuple[str, str | list[tuple[str, str]]]] = [
        ("", f"Default of this site: {timezone.get_default_timezone_name()}"),
        ("UTC", "UTC"),
    ]
    for region in REGIONS:
        members = sorted(name for name in names() if name.startswith(f"{region}/"))
        labels = [name.partition("/")[2].replace("_", " ") for name in members]
        found.append((region, list(zip(members, labels, strict=True))))
    return found


def label(moment: datetime | None = None) -> str:
    """Return the name of the current time zone: `UTC`, `Asia/Kolkata (UTC+5:30)`.

    The offset from UTC is the offset at `moment`, an aware datetime (default: now).
    """
    name = timezone.get_current_timezone_name()
    if name == "UTC":
        return name
    offset = timezone.localtime(moment).utcoffset()
    minutes = round(offset.total_seconds() / 60) if offset else 0
    hours, rest = divmod(abs(minutes), 60)
    # Use a hyphen for minus, because the fonts of the PDF have no minus sign.
    sign = "-" if minutes < 0 else "+"
    return f"{name} (UTC{sign}{hours}{f':{rest:02}' if rest else ''})"


def midnight(day: date) -> datetime:
    """Return the first moment of a day in the current zone.

    - If clocks go forward from 00:00 to 01:00, the first moment is 01:00.
    - If clocks go back to 00:00, the first moment is the first of two midnights.
    """
    return timezone.make_aware(datetime.combine(day, time.min))


def each_in_zone(pieces: Iterable[bytes], zone: tzinfo | None) -> Iterator[bytes]:
    """Yield the pieces of a streamed response. Generate each piece in this time zone.

    The pieces are generated after the middleware has returned and has reset the zone.
    """
    iterator = iter(pieces)
    while True:
        with timezone.override(zone):
            piece = next(iterator, None)
        if piece is None:
            return
        yield piece
