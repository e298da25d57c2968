"""Template tag that shows a transcript with its player on any page."""

from typing import Any

from django import template

from transcription.models import Transcript
from transcription.viewer import viewer_context

register = template.Library()


@register.inclusion_tag("transcription/_viewer.html", takes_context=True)
def transcript_viewer(context: Any, transcript: Transcript) -> dict[str, Any]:
    """Show player, words, corrections and exports.

    Use this tag only once on a page, because its HTML has ids.
    """
    request = context["request"]
    return {
        "request": request,
        "csrf_token": context.get("csrf_token"),
        # True on the call's page, False in admin. After a form is sent, the browser
        # returns to the same page.
        "on_call_page": "call" in context,
        **viewer_context(transcript, request.user),
    }
