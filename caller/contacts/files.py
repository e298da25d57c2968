"""Import contacts from a CSV file: a name, a number and an optional label per line."""

from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from caller import number_facts, phone_numbers
from caller.contacts.models import MAX_NAME_LENGTH, Contact, ContactNumber
from djtranscribe.text_files import rows_of_csv, text_of

MAX_FILE_BYTES = 1_000_000
MAX_LINES = 20_000
DELIMITERS = ",;\t"
# This many lines decide which delimiter a file has.
SAMPLE_LINES = 100
COLUMNS = {
    "name": {"name", "contact", "full name", "display name", "company"},
    "number": {
        "number",
        "phone",
        "phone number",
        "telephone",
        "mobile",
        "phone 1 - value",
    },
    "label": {"label", "type", "kind", "phone 1 - type"},
}
# Outcomes of a line. An import stores only NEW lines.
# - KNOWN: the contact with this name already has the number.
# - MOVED: another contact has the number.
NEW, KNOWN, MOVED, WRONG = "new", "known", "moved", "wrong"


@dataclass
class Line:
    """A line of the file. outcome: NEW, KNOWN, MOVED or WRONG."""

    line: int
    name: str
    number: str
    label: str = ""
    outcome: str = NEW
    # Why the line is WRONG or, if it is MOVED, which contact has the number now.
    detail: str = ""

    @property
    def display_number(self) -> str:
        return number_facts.format_international(self.number)


@dataclass
class Preview:
    lines: list[Line] = field(default_factory=list)

    def count(self, outcome: str) -> int:
        return sum(line.outcome == outcome for line in self.lines)

    @property
    def new_count(self) -> int:
        return self.count(NEW)

    @property
    def known_count(self) -> int:
        return self.count(KNOWN)

    @property
    def moved_count(self) -> int:
        return self.count(MOVED)

    @property
    def wrong_count(self) -> int:
        return self.count(WRONG)


def preview(content: bytes) -> Preview:
    """Read a file and compare it with the stored contacts. One query.

    Raises ValidationError, with a message for the operator, if the file is too large,
    empty or malformed.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ValidationError("This file is larger than 1 MB. Import it in parts.")
    lines = _lines(text_of(content))
    numbers = {line.number for line in lines}
    owners = Contact.objects.names_by_number(numbers)
    seen: set[str] = set()
    for line in lines:
        if line.outcome == WRONG:
            continue
        if line.number in seen:
            line.outcome, line.detail = WRONG, "An earlier line has this number."
        elif line.number in owners:
            owner = owners[line.number]
            line.outcome = KNOWN if owner == line.name else MOVED
            if line.outcome == MOVED:
                line.detail = f"Already belongs to {owner}. Not changed."
        seen.add(line.number)
    return Preview(lines)


def import_contacts(content: bytes) -> Preview:
    """Store the lines that are new. A stored number stays with its contact.

    All lines with the same name go to one contact. Raises the errors of `preview`.
    """
    try:
        return _import(content)
    except IntegrityError:
        # At the same time, another import stored one of the numbers, for example after
        # a double click. Now the preview finds this number.
        return _import(content)


def _import(content: bytes) -> Preview:
    with transaction.atomic():
        found = preview(content)
        wanted = [line for line in found.lines if line.outcome == NEW]
        names = {line.name for line in wanted}
        contacts = {
            contact.name: contact
            for contact in Contact.objects.filter(name__in=names).order_by("-pk")
        }
        missing = [Contact(name=name) for name in sorted(names - contacts.keys())]
        Contact.objects.bulk_create(missing, batch_size=1000)
        contacts |= {contact.name: contact for contact in missing}
        ContactNumber.objects.bulk_create(
            [
                ContactNumber(
                    contact=contacts[line.name], number=line.number, label=line.label
                )
                for line in wanted
            ],
            batch_size=1000,
        )
    return found


def _lines(text: str) -> list[Line]:
    rows = _rows(text, max(DELIMITERS, key=lambda each: _fit(text, each)))
    if not rows:
        raise ValidationError("This file is empty.")
    if len(rows) > MAX_LINES:
        raise ValidationError(
            f"This file has more than {MAX_LINES:,} lines. Import it in parts."
        )
    return _lines_of(rows)


def _fit(text: str, delimiter: str) -> tuple[int, int]:
    """Return how well a delimiter fits a file, as a tuple. Higher is better.

    The tuple is (valid lines among the first SAMPLE_LINES, columns in the first line).
    """
    try:
        rows = _rows(text, delimiter, SAMPLE_LINES)
    except ValidationError:
        rows = []
    if not rows:
        return 0, 0
    return sum(line.outcome != WRONG for line in _lines_of(rows)), len(rows[0][1])


def _rows(
    text: str, delimiter: str, most: int | None = None
) -> list[tuple[int, list[str]]]:
    """Return the rows that are not empty, each with its place in the file."""
    rows = rows_of_csv(text, most, delimiter=delimiter, skipinitialspace=True)
    return [(place, row) for place, row in enumerate(rows, 1) if any(row)]


def _lines_of(rows: list[tuple[int, list[str]]]) -> list[Line]:
    columns = _columns(rows[0][1])
    if columns:
        rows = rows[1:]
    else:
        columns = {"name": 0, "number": 1, "label": 2}
    return [_line(place, row, columns) for place, row in rows]


def _columns(header: list[str]) -> dict[str, int]:
    """Return the position of each column, or {} if the first line is not a header."""
    titles = [title.strip().casefold() for title in header]
    found = {
        column: next((n for n, title in enumerate(titles) if title in known), -1)
        for column, known in COLUMNS.items()
    }
    if found["name"] < 0 or found["number"] < 0:
        return {}
    return {column: place for column, place in found.items() if place >= 0}


def _line(place: int, row: list[str], columns: dict[str, int]) -> Line:
    def value(column: str, most: int) -> str:
        at = columns.get(column, -1)
        text = row[at] if 0 <= at < len(row) else ""
        return " ".join(text.split())[:most]

    line = Line(
        place, value("name", MAX_NAME_LENGTH), value("number", 100), value("label", 40)
    )
    if not line.name:
        line.outcome, line.detail = WRONG, "The name is missing."
        return line
    try:
        line.number = phone_numbers.normalise_number(
            phone_numbers.with_country_code(line.number)
        )
    except ValidationError as error:
        line.outcome, line.detail = WRONG, str(error.message)
    return line
