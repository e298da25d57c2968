from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import trigger_client_event

from caller import dashboard, dialling, phone_numbers
from caller.call_rows import note_read, rows_of
from caller.concerns import LOW_CONFIDENCE
from caller.costs.sums import budget_warning
from caller.days import last_days, plots
from caller.forms import DialForm
from caller.models import Call, Contact, OperatorPhone, Tag
from caller.steps import NOW
from caller.tasks import ask_again
from caller.timeline import headline, is_settled, timeline
from djtranscribe.models import Access
from djtranscribe.prefetch import allow_prefetch, was_typed

RECENT_CALLS = 20
# Maximum number of tags to suggest while somebody types a tag.
MOST_TAGS = 200
SOCIABLE_HOURS = range(8, 21)


@require_safe
# Without `Vary`, the browser's Back button would show only the cached htmx fragment.
@vary_on_headers("HX-Request")
def home(request: HttpRequest) -> HttpResponse:
    """Show the home page. Its list of calls polls while a row can still change."""
    user = request.user
    context: dict[str, Any] = {"is_mine": request.GET.get("whose") == "mine"}
    if user.has_perm("caller.view_call"):
        context |= recent_calls(user, context["is_mine"])
        if request.htmx:  # type: ignore[attr-defined]
            return render(request, "caller/_recent_calls.html", context)
        days = last_days()
        shows_all = request.GET.get("attention") == "all"
        most = dashboard.MOST_ON_REQUEST if shows_all else dashboard.MOST
        concerns = dashboard.needs_attention(most + 1)
        context |= {
            "numbers": dashboard.numbers_of_the_day(days[-1]),
            "days": days,
            "plots": plots(days),
            "concerns": concerns[:most],
            "has_more_concerns": len(concerns) > most,
            "enough": f"{LOW_CONFIDENCE:.0%}",
        }
    if user.has_perm("caller.add_call"):
        context |= {"form": DialForm(), "phone": OperatorPhone.of(user)}
        context["budget_warning"] = budget_warning()
    return render(request, "caller/home.html", context)


def recent_calls(user: Any, is_mine: bool) -> dict[str, Any]:
    """Return the rows of recent calls, and `moves`: whether a row can still change."""
    calls = Call.objects.named().select_related("requested_by")
    if is_mine:
        calls = calls.filter(requested_by=user)
    rows = rows_of(calls[:RECENT_CALLS])
    note_read(user, rows)
    return {"rows": rows, "moves": any(row.state == NOW for row in rows)}


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("caller.add_call", raise_exception=True)
def dial_box(request: HttpRequest) -> HttpResponse:
    """Dial the number that was typed on the home page. GET redirects to `dial`."""
    typed = request.POST if request.method == "POST" else request.GET
    number = typed.get("number", "")
    try:
        to = phone_numbers.clean_number(phone_numbers.with_country_code(number))
    except ValidationError as error:
        return refused_number(request, number, error)
    if request.method != "POST":
        return redirect("caller:dial", number=to.removeprefix("+"))
    return dial(request, to)


@require_POST
@permission_required("caller.add_call", raise_exception=True)
def check_number(request: HttpRequest) -> HttpResponse:
    """Check a number while it is typed. Show its contact, the local time, and problems.

    The request is a POST, so that no part of the number is in a URL and in logs.
    """
    typed = request.POST.get("number", "")[:40].replace("\0", "")
    context: dict[str, Any] = {"reason": ""}
    try:
        to = phone_numbers.clean_number(phone_numbers.with_country_code(typed))
    except ValidationError as error:
        if typed.strip(" +") and not phone_numbers.may_continue(typed):
            context["reason"] = error.message
    else:
        call = Call(other_number=to, requested_by=cast(User, request.user))
        context = about_number(call) | {"reason": dialling.refusal(call)}
    answer = render(request, "caller/_number_check.html", context)
    news = {
        "typed": typed,
        "formatted": phone_numbers.as_typed(typed),
        "isWrong": bool(context["reason"]),
    }
    return trigger_client_event(answer, "number-checked", news)


def about_number(call: Call) -> dict[str, Any]:
    """Return what an operator should know before the call. Two queries."""
    now = timezone.now()
    local_times = phone_numbers.local_times(call.other_number, now)
    return {
        "call": call,
        "contact": Contact.objects.of(call.other_number),
        "region": phone_numbers.region(call.other_number),
        "now": now,
        "local_times": local_times,
        # If the place is unknown, use the operator's own time.
        "is_late": any(
            time.hour not in SOCIABLE_HOURS
            for time in local_times or [timezone.localtime(now)]
        ),
        "recent": Call.objects.made_within(dialling.DAY)
        .filter(other_number=call.other_number)
        .count(),
    }


@allow_prefetch
@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("caller.add_call", raise_exception=True)
def dial(request: HttpRequest, number: str) -> HttpResponse:
    """Place a call on POST or if `was_typed`, else show a page with a button."""
    try:
        to = phone_numbers.clean_number(number)
    except ValidationError as error:
        return refused_number(request, number, error)
    call = Call(
        other_number=to,
        our_number=settings.TWILIO_PHONE_NUMBER,
        requested_by=cast(User, request.user),
    )
    phone = OperatorPhone.of(request.user)
    asked = request.POST if request.method == "POST" else request.GET
    connects = asked.get("connect") == "1"
    if connects and not phone:
        messages.error(
            request,
            "Nobody was called. To use “Connect me”, verify your own phone first.",
        )
        return redirect("caller:phone")
    if request.method == "POST":
        form = DialForm(request.POST, instance=call)
    elif was_typed(request):
        form = DialForm({}, instance=call)
    else:
        form = DialForm(instance=call)
    if form.is_valid():
        # Always redirect, so that a reload does not dial again.
        wanted = form.save(commit=False)
        return redirect(dialling.dial(wanted, phone if connects else None))
    context = about_number(call) | {
        "form": form,
        "phone": phone,
        "connects": connects,
        "number": to.removeprefix("+"),
        "national": phone_numbers.national(to),
        "refusal": dialling.refusal(call),
        "last_call": Call.objects.filter(other_number=to).first(),
    }
    return render(request, "caller/dial.html", context)


def refused_number(
    request: HttpRequest, number: str, error: ValidationError
) -> HttpResponse:
    context = {"typed": number[:40], "reason": error.message, "form": DialForm()}
    return render(request, "caller/refused_number.html", context, status=400)


@require_safe
# Without `Vary`, the browser's Back button would show only the cached htmx fragment.
@vary_on_headers("HX-Request")
@permission_required("caller.view_call", raise_exception=True)
def call_page(request: HttpRequest, uuid: str) -> HttpResponse:
    """Show a call. The page polls every second until nothing more will change."""
    calls = Call.objects.named().select_related("requested_by", "vocabulary", "leg")
    calls = calls.prefetch_related("recordings__transcripts__vocabulary")
    call = get_object_or_404(calls, uuid=uuid)
    steps = timeline(call, request.user)
    read: list[Any] = []
    if is_settled(steps) and request.user.has_perm("transcription.view_transcript"):
        recordings = cast("list[Any]", call.recordings.all())
        read = [
            each for recording in recordings for each in recording.transcripts.all()
        ]
        Access.objects.note(request.user, Access.Action.READ, read)
    context = {
        # The page shows the newest transcript that has words, with its player. Words
        # that somebody has removed count: they can be brought back.
        "shown": next(
            (
                each
                for each in read
                if each.is_finished and (each.text or each.as_heard)
            ),
            None,
        ),
        "call": call,
        "steps": steps,
        "headline": headline(steps),
        "is_settled": is_settled(steps),
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "caller/_call.html", context)
    context |= {
        "notes": call.notes.select_related("author"),
        "tags": call.tags.all(),
        "all_tags": Tag.objects.all()[:MOST_TAGS],
    }
    return render(request, "caller/call.html", context)


@require_POST
@permission_required("caller.add_call", raise_exception=True)
def ask_twilio(request: HttpRequest, uuid: str) -> HttpResponse:
    """Ask Twilio again for a missing recording."""
    call = get_object_or_404(Call, uuid=uuid)
    ask_again(call)
    return redirect(call)
