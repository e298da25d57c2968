"""The pages that dial: check a number while it is typed, and place the call."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from caller import dialling, number_facts, phone_numbers, unfinished_numbers
from caller.forms import DialForm
from caller.models import Call, Contact, OperatorPhone
from djtranscribe.prefetch import allow_prefetch, was_typed

SOCIABLE_HOURS = range(8, 21)


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
    """Check a number while it is typed. Show its contact, local time and problems.

    The request is a POST, so that no part of the number gets into a URL or a log.
    """
    typed = request.POST.get("number", "")[:40].replace("\0", "")
    context: dict[str, Any] = {"reason": ""}
    try:
        to = phone_numbers.clean_number(phone_numbers.with_country_code(typed))
    except ValidationError as error:
        has_begun = phone_numbers.without_separators(typed)
        if has_begun and not unfinished_numbers.may_continue(typed):
            context["reason"] = error.message
    else:
        call = Call(other_number=to, requested_by=cast(User, request.user))
        context = number_context(call) | {"reason": dialling.reason_to_refuse(call)}
    answer = render(request, "caller/_number_check.html", context)
    checked = {
        "typed": typed,
        "formatted": unfinished_numbers.format_while_typing(typed),
        "isWrong": bool(context["reason"]),
    }
    return trigger_client_event(answer, "number-checked", checked)


def number_context(call: Call) -> dict[str, Any]:
    """Return what an operator should know before the call. Two queries."""
    now = timezone.now()
    local_times = number_facts.local_times(call.other_number, now)
    return {
        "call": call,
        "contact": Contact.objects.find_by_number(call.other_number),
        "region": number_facts.region(call.other_number),
        "now": now,
        "local_times": local_times,
        # If the local time of the number is unknown, use the operator's time.
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
    """Place a call after a POST, or if a person typed the URL. Else, show a button."""
    try:
        to = phone_numbers.clean_number(number)
    except ValidationError as error:
        return refused_number(request, number, error)
    call = Call(
        other_number=to,
        our_number=settings.TWILIO_PHONE_NUMBER,
        requested_by=cast(User, request.user),
    )
    phone = OperatorPhone.verified_phone_of(request.user)
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
        shown = dialling.dial(wanted, phone if connects else None)
        if shown is not wanted:
            messages.warning(
                request,
                "This number is being called already, so no new call was placed. This "
                "page shows the earlier call.",
            )
        return redirect(shown)
    context = number_context(call) | {
        "form": form,
        "phone": phone,
        "connects": connects,
        "number": to.removeprefix("+"),
        "national": number_facts.format_national(to),
        "refusal": dialling.reason_to_refuse(call),
        "last_call": Call.objects.filter(other_number=to).first(),
    }
    return render(request, "caller/dial.html", context)


def refused_number(
    request: HttpRequest, number: str, error: ValidationError
) -> HttpResponse:
    context = {
        "typed": number[:40],
        "reason": error.message,
        "form": DialForm(initial=request.POST.dict()),
        "phone": OperatorPhone.verified_phone_of(request.user),
    }
    return render(request, "caller/refused_number.html", context, status=400)
