"""Template tags for admin's lists: chips for filters, and cells of the table."""

from functools import cache
from typing import Any, NamedTuple

from django import template
from django.contrib.admin.views.main import ChangeList
from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from djtranscribe.adminsite.index import sections

register = template.Library()
register.simple_tag(sections, name="sections_of")


class Chip(NamedTuple):
    """An active filter, and the query string of the list without this filter."""

    title: str
    chosen: str
    without: str


class Filters(NamedTuple):
    chips: list[Chip]
    # Admin's filters. Those with the fewest choices come first.
    specs: list[Any]


@register.simple_tag
def filters_of(changelist: ChangeList) -> Filters:
    chips, sized = [], []
    for number, spec in enumerate(changelist.filter_specs):
        choices: list[Any] = list(spec.choices(changelist))
        sized.append((len(choices), number, spec))
        # Skip the first choice: it is "All" and filters nothing.
        for choice in choices[1:]:
            if choice["selected"]:
                without = choices[0]["query_string"]
                chips.append(Chip(str(spec.title), choice["display"], without))
    return Filters(chips, [spec for *_, spec in sorted(sized)])


@register.simple_tag
def cells(row: Any, headers: list[dict[str, Any]]) -> SafeString:
    """Add a role and the column's name to the HTML of each cell.

    On a phone, CSS shows each row as a card, without columns. So each cell needs:
    - `data-label`: the name of the column.
    - `role`: with this CSS, browsers drop the implicit role, which screen readers need.
    """
    return SafeString(
        "".join(
            # Admin's HTML of a cell begins with `<td` or `<th`.
            f"{html[:3]}{_attributes(html[1:3], str(header['text']))}{html[3:]}"
            for html, header in zip(row, headers, strict=False)
        )
    )


@cache
def _attributes(element: str, header: str) -> str:
    role = "rowheader" if element == "th" else "cell"
    name = capfirst(strip_tags(header))
    return format_html(' role="{}" data-label="{}"', role, name)
