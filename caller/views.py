"""The home page, and the page of a call."""

from typing import Any, cast

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from caller import dashboard, dialling
from caller.call_rows import log_read, rows_of
from caller.concerns import LOW_CONFIDENCE
from caller.costs.sums import budget_warning
from caller.days import last_days, plots
from caller.forms import DialForm
from caller.models import Call, OperatorPhone, Tag
from caller.steps import NOW
from caller.tasks import enqueue_check
from caller.timeline import headline, is_settled, timeline
from djtranscribe.models import Access

RECENT_CALLS = 20
# Maximum number of tags to suggest while somebody types a tag.
MAX_TAGS = 200


@require_safe
# Without `Vary`, the browser's Back button would show only the cached htmx fragment.
@vary_on_headers("HX-Request")
def home(request: HttpRequest) -> HttpResponse:
    """Show the home page. Its list refreshes itself while a call can still change."""
    user = request.user
    context: dict[str, Any] = {"is_mine": request.GET.get("whose") == "mine"}
    if user.has_perm("caller.view_call"):
        context |= recent_calls(user, context["is_mine"])
        if request.htmx:  # type: ignore[attr-defined]
            return render(request, "caller/_recent_calls.html", context)
        days = last_days()
        shows_all = request.GET.get("attention") == "all"
        most = (
            dashboard.MAX_CONCERNS_ON_REQUEST if shows_all else dashboard.MAX_CONCERNS
        )
        concerns = dashboard.needs_attention(most + 1)
        context |= {
            "numbers": dashboard.todays_figures(days[-1]),
            "days": days,
            "plots": plots(days),
            "concerns": concerns[:most],
            "has_more_concerns": len(concerns) > most,
            "enough": f"{LOW_CONFIDENCE:.0%}",
        }
    if user.has_perm("caller.add_call"):
        context |= {"form": DialForm(), "phone": OperatorPhone.verified_phone_of(user)}
        context["budget_warning"] = budget_warning()
    return render(request, "caller/home.html", context)


def recent_calls(user: Any, is_mine: bool) -> dict[str, Any]:
    """Return the rows of recent calls, and `is_changing`: whether the page must poll.

    Log that the user has read the transcripts of these calls.
    """
    calls = Call.objects.with_contact_name().select_related("requested_by")
    if is_mine:
        calls = calls.filter(requested_by=user)
    rows = rows_of(calls[:RECENT_CALLS])
    log_read(user, rows)
    return {"rows": rows, "is_changing": any(row.state == NOW for row in rows)}


@require_safe
# Without `Vary`, the browser's Back button would show only the cached htmx fragment.
@vary_on_headers("HX-Request")
@permission_required("caller.view_call", raise_exception=True)
def call_page(request: HttpRequest, uuid: str) -> HttpResponse:
    """Show a call. The page polls every second until the steps have ended."""
    calls = Call.objects.with_contact_name().select_related(
        "requested_by", "vocabulary", "leg"
    )
    calls = calls.prefetch_related("recordings__transcripts__vocabulary")
    call = get_object_or_404(calls, uuid=uuid)
    steps = timeline(call, request.user)
    read: list[Any] = []
    if is_settled(steps) and request.user.has_perm("transcription.view_transcript"):
        recordings = cast("list[Any]", call.recordings.all())
        read = [
            each for recording in recordings for each in recording.transcripts.all()
        ]
        Access.objects.log(request.user, Access.Action.READ, read)
    context = {
        # The newest transcript with words. Also show a transcript if a correction has
        # removed all its words, because the user can undo the correction on the page.
        "shown": next(
            (
                each
                for each in read
                if each.is_finished and (each.text or each.uncorrected_text)
            ),
            None,
        ),
        "call": call,
        "steps": steps,
        "headline": headline(steps),
        "is_settled": is_settled(steps),
        "do_not_call": is_settled(steps) and dialling.refuse_by_do_not_call(call),
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "caller/_call.html", context)
    context |= {
        "notes": call.notes.select_related("author"),
        "tags": call.tags.all(),
        "all_tags": Tag.objects.all()[:MAX_TAGS],
    }
    return render(request, "caller/call.html", context)


@require_POST
@permission_required("caller.add_call", raise_exception=True)
def ask_twilio(request: HttpRequest, uuid: str) -> HttpResponse:
    """Ask Twilio again for a missing recording."""
    call = get_object_or_404(Call, uuid=uuid)
    enqueue_check(call)
    return redirect(call)
