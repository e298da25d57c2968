"""The page on which an operator verifies their own phone."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from caller import dialling, phone_numbers
from caller.conversations.models import MAX_TRIES, OperatorPhone
from caller.models import Call
from caller.timeline import failure_reason

WRONG_CODE = "The code is wrong. Type the six digits that you heard."


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("caller.add_call", raise_exception=True)
def phone(request: HttpRequest) -> HttpResponse:
    """Show, remove or replace the operator's phone, or check the typed code."""
    user = cast(User, request.user)
    row = OperatorPhone.objects.filter(user=user).select_related("code_call").first()
    if request.method != "POST":
        return render(request, "caller/phone.html", context_of(row))
    if "forget" in request.POST:
        OperatorPhone.objects.filter(user=user).delete()
        messages.success(request, "Your phone was removed.")
    elif "code" in request.POST:
        enter_code(request, row)
    else:
        try:
            ask_for_code(request, user)
        except ValidationError as error:
            context = context_of(row) | {
                "typed": request.POST.get("number", "")[:40],
                "reason": error.message,
            }
            return render(request, "caller/phone.html", context, status=400)
    return redirect("caller:phone")


def context_of(row: OperatorPhone | None) -> dict[str, Any]:
    """Return the template context.

    phone: the operator's phone, or None.
    For a phone that is not verified, there are two more keys:
    fault: why the operator needs a new code, or "".
    can_call_again: whether the page offers to call the same number again.
    """
    if row is None or row.verified_at:
        return {"phone": row}
    call, fault = row.code_call, ""
    is_over = call is not None and call.is_finished
    if call and is_over and call.status != Call.Status.COMPLETED:
        fault = failure_reason(call)
    elif not row.is_waiting_for_code:
        fault = "The code has expired, or too many wrong codes were typed."
    return {"phone": row, "fault": fault, "can_call_again": is_over or bool(fault)}


def ask_for_code(request: HttpRequest, user: User) -> None:
    """Call the typed number to say a code. The rules and limits of dialling apply.

    Raises ValidationError, with a message for the operator, if no call is placed.
    """
    typed = request.POST.get("number", "").replace("\0", "")
    number = phone_numbers.clean_number(phone_numbers.with_country_code(typed))
    new = Call(
        kind=Call.Kind.CODE,
        other_number=number,
        our_number=settings.TWILIO_PHONE_NUMBER,
        requested_by=user,
    )
    call = dialling.dial(new)
    if call is not new:
        # An earlier call has not ended. It may be saying this operator's code, so do
        # not reset the number of tries.
        raise ValidationError(
            "This number is being called already. Wait until that call has ended."
        )
    if call.status in (Call.Status.REFUSED, Call.Status.FAILED):
        raise ValidationError(call.error)
    OperatorPhone.objects.update_or_create(
        user=user,
        defaults={
            "number": number,
            "code_call": call,
            "verified_at": None,
            "tries": 0,
        },
    )


def enter_code(request: HttpRequest, row: OperatorPhone | None) -> None:
    if row and row.verify(request.POST.get("code", "")):
        messages.success(request, "Your phone is verified. “Connect me” works now.")
    elif row and row.is_waiting_for_code and row.tries + 1 < MAX_TRIES:
        messages.error(request, WRONG_CODE)
    # After the last try, the page shows a `fault` (context_of) instead of WRONG_CODE.
