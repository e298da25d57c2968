from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from caller import dialling, number_facts
from caller.call_rows import log_read, rows_of
from caller.contacts import files
from caller.contacts.models import MAX_NAME_LENGTH
from caller.models import Call, Contact, ContactNumber, Note, Tag
from djtranscribe.text_files import text_of

CALLS_PER_PAGE = 30
NOTES = 50
# Maximum number of lines that the preview of a file shows.
SHOWN_LINES = 200


@require_safe
@permission_required("caller.view_call", raise_exception=True)
def number_page(request: HttpRequest, uuid: str) -> HttpResponse:
    """Show the calls, the contact, the tags and the newest notes of a phone number.

    The URL has the UUID of one of the calls, so that the logs have no phone number.
    """
    call = get_object_or_404(Call, uuid=uuid)
    calls = Call.objects.filter(other_number=call.other_number)
    page = Paginator(
        calls.with_contact_name().select_related("requested_by"), CALLS_PER_PAGE
    ).get_page(request.GET.get("page"))
    rows = rows_of(page.object_list)
    log_read(request.user, rows)
    notes = Note.objects.filter(call__other_number=call.other_number).select_related(
        "author", "call"
    )
    context = {
        "call": call,
        "contact": Contact.objects.find_by_number(call.other_number),
        "region": number_facts.region(call.other_number),
        "do_not_call": dialling.refuse_by_do_not_call(call),
        "dial_number": call.other_number.removeprefix("+"),
        "page": page,
        "rows": rows,
        "notes": notes[:NOTES],
        "tags": Tag.objects.filter(calls__in=calls).distinct(),
    }
    return render(request, "caller/number.html", context)


@require_POST
@permission_required(["caller.view_call", "caller.add_contact"], raise_exception=True)
def name_number(request: HttpRequest, uuid: str) -> HttpResponse:
    """Add the number of this call to the contact with the typed name.

    Create the contact if needed.
    """
    call = get_object_or_404(Call, uuid=uuid)
    name = " ".join(request.POST.get("name", "").replace("\0", "").split())
    if not name or len(name) > MAX_NAME_LENGTH:
        messages.error(request, f"Type a name of at most {MAX_NAME_LENGTH} characters.")
    else:
        try:
            with transaction.atomic():
                known = Contact.objects.filter(name=name).first()
                contact = known or Contact.objects.create(name=name)
                ContactNumber.objects.create(contact=contact, number=call.other_number)
        except IntegrityError:
            messages.error(
                request,
                "Not saved: somebody else gave this number a name a moment ago. This "
                "page now shows that name.",
            )
        except ValidationError as error:
            messages.error(request, error.messages[0])
    return redirect("caller:number", uuid=uuid)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("caller.add_contact", raise_exception=True)
def import_page(request: HttpRequest) -> HttpResponse:
    """Import contacts from a CSV file: first a preview, then the import."""
    context: dict[str, Any] = {"most": SHOWN_LINES}
    if request.method == "POST":
        file = request.FILES.get("file")
        # The preview sends the file's text back in a <textarea>. Browsers change LF to
        # CRLF there, so the text could become larger than files.MAX_FILE_BYTES.
        text = request.POST.get("content", "").replace("\r\n", "\n")
        content = file.read() if file else text.encode()
        try:
            if request.POST.get("confirmed"):
                done = files.import_contacts(content)
                messages.success(
                    request,
                    f"Numbers imported: {done.new_count}. Skipped: "
                    f"{done.known_count} already stored, {done.moved_count} that "
                    f"belong to other contacts, {done.wrong_count} not valid.",
                )
                return redirect("admin:caller_contact_changelist")
            preview = files.preview(content)
            context |= {
                "preview": preview,
                "content": text_of(content),
                # Wrong lines are first, because somebody may want to correct them.
                "lines": sorted(
                    preview.lines, key=lambda line: line.outcome != files.WRONG
                )[:SHOWN_LINES],
            }
        except ValidationError as error:
            context["error"] = error.messages[0]
    return render(request, "caller/import_contacts.html", context)
