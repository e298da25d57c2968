"""A transcript with its audio, for the templates of any page."""

from typing import Any

from django import template

from transcription.models import Transcript
from transcription.reading import reading_of

register = template.Library()


@register.inclusion_tag("transcription/_reading.html", takes_context=True)
def reading(context: Any, transcript: Transcript) -> dict[str, Any]:
    """Show player, words, corrections and exports. Once on a page: it has ids."""
    request = context["request"]
    return {
        "request": request,
        "csrf_token": context.get("csrf_token"),
        # Its forms lead back to where they were sent from.
        "on_call_page": "call" in context,
        **reading_of(transcript, request.user),
    }
