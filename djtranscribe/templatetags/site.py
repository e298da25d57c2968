"""Template tags for all pages: the navigation, and settings of the login."""

from typing import Any, NamedTuple

from django import template
from django.conf import settings
from django.urls import reverse

register = template.Library()


class Entry(NamedTuple):
    label: str
    name: str  # of the URL pattern
    permission: str = ""
    is_admin: bool = False
    # The entry is also highlighted on pages under these paths. They are relative to the
    # path of the home page.
    places: tuple[str, ...] = ()


class SitePage(NamedTuple):
    label: str
    url: str
    is_current: bool


READ = "transcription.view_transcript"
ENTRIES = [
    Entry("Calls", "caller:home", places=("calls/", "dial/", "admin/caller/call/")),
    Entry(
        "Transcripts",
        "admin:transcription_transcript_changelist",
        READ,
        is_admin=True,
        places=("transcripts/",),
    ),
    Entry("Search", "transcription:search", READ),
    Entry("Accuracy", "transcription:accuracy", READ, places=("corrections/",)),
    Entry(
        "Keyword lists",
        "admin:transcription_vocabulary_changelist",
        "transcription.view_vocabulary",
        is_admin=True,
        places=("keyword-lists/",),
    ),
    Entry("Admin", "admin:index", is_admin=True),
]


@register.simple_tag(takes_context=True)
def site_pages(context: Any) -> list[SitePage]:
    """Return the pages of the navigation that the user may open."""
    user, path = context["user"], context["request"].path
    current = max(ENTRIES, key=lambda entry: _match(entry, path))
    return [
        SitePage(
            entry.label,
            reverse(entry.name),
            entry is current and bool(_match(entry, path)),
        )
        for entry in ENTRIES
        if (not entry.permission or user.has_perm(entry.permission))
        and (user.is_staff or not entry.is_admin)
    ]


@register.simple_tag
def two_factor_is_required() -> bool:
    return settings.TWO_FACTOR == "required"


@register.simple_tag
def single_sign_on() -> str:
    """Return the name of the single sign-on provider, or "" if there is none."""
    return settings.OIDC_NAME if settings.OIDC_URL else ""


def _match(entry: Entry, path: str) -> int:
    """Return how many characters of a path belong to this entry, or 0.

    For example 13 for /transcripts/42/ and an entry with the place `transcripts/`.
    `site_pages` highlights the entry with the largest number.
    """
    first, url = reverse("caller:home"), reverse(entry.name)
    if path == url:
        return len(path)
    places = [first + place for place in entry.places]
    places += [url] if url != first else []
    return max((len(place) for place in places if path.startswith(place)), default=0)
