"""Export or erase the data of a person. URLs have a call's UUID, not a phone number."""

from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from caller import number_facts
from caller.models import Call, Contact
from transcription.models import Deletion
from transcription.retention import person, person_file
from transcription.retention.tasks import delete


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("transcription.erase_person", raise_exception=True)
def person_page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show how much we store about the person of this call, or start to erase it."""
    call = get_object_or_404(Call, uuid=uuid)
    contact = Contact.objects.find_by_number(call.other_number)
    known = numbers_of(call, contact)
    if request.method == "POST":
        typed = set(request.POST.getlist("number"))
        chosen = [number for number in known if number in typed]
        if not chosen or not request.POST.get("sure"):
            messages.error(
                request,
                "Nothing was erased. Select at least one number and tick “I am sure”.",
            )
        else:
            deletion = Deletion.objects.create(
                reason=Deletion.Reason.PERSON,
                requested_by=cast(User, request.user),
                numbers=chosen,
                keeps_do_not_call=bool(request.POST.get("do_not_call")),
            )
            delete.enqueue(deletion.pk)
            return redirect("transcription:deletion", pk=deletion.pk)
    context = {
        "call": call,
        "contact": contact,
        "numbers": [
            (number, number_facts.format_international(number)) for number in known
        ],
        "summary": person.summary(known),
    }
    return render(request, "transcription/person.html", context)


@require_safe
@permission_required("transcription.erase_person", raise_exception=True)
def export_person(request: HttpRequest, uuid: UUID) -> StreamingHttpResponse:
    call = get_object_or_404(Call, uuid=uuid)
    numbers = numbers_of(call, Contact.objects.find_by_number(call.other_number))
    if not numbers:
        raise Http404("The caller withheld the number.")
    pieces: Iterator[Any] = person_file.zip_pieces(numbers, request.user)
    answer = StreamingHttpResponse(pieces, content_type="application/zip")
    answer["Content-Disposition"] = 'attachment; filename="person.zip"'
    return answer


@require_safe
@permission_required("transcription.erase_person", raise_exception=True)
def deletion_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the progress of a deletion. The page polls until the deletion ends."""
    deletion = get_object_or_404(Deletion, pk=pk)
    template = "deletion.html"
    if request.htmx:  # type: ignore[attr-defined]
        template = "_deletion.html"
    return render(request, f"transcription/{template}", {"deletion": deletion})


def numbers_of(call: Call, contact: Contact | None) -> list[str]:
    """Return the number of the call, then the other numbers of the same contact."""
    numbers = dict.fromkeys([call.other_number] if call.other_number else [])
    if contact:
        numbers |= dict.fromkeys(each.number for each in contact.numbers.all())
    return list(numbers)
