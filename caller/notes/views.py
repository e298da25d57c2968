from datetime import timedelta
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from caller.models import Call, Note, Tag
from caller.notes.models import MAX_NOTE_LENGTH, tag_name


@require_POST
@permission_required(["caller.view_call", "caller.add_note"], raise_exception=True)
def add_note(request: HttpRequest, uuid: str) -> HttpResponse:
    call = get_object_or_404(Call, uuid=uuid)
    # Browsers send a line break as CRLF, but count it as one character.
    typed = request.POST.get("text", "").replace("\r\n", "\n")
    text = typed.replace("\0", "").strip()
    if len(text) > MAX_NOTE_LENGTH:
        context = {"call": call, "typed": text, "most": MAX_NOTE_LENGTH}
        return render(request, "caller/refused_note.html", context, status=400)
    if not text:
        messages.error(request, "The note is empty.")
    else:
        save_once(uuid, cast(User, request.user), text)
    return redirect(f"{call.get_absolute_url()}#notes")


def save_once(uuid: str, author: User, text: str) -> None:
    """Store a note, unless the author stored the same one less than a minute ago."""
    with transaction.atomic():
        # Lock the call: a double click sends two requests at the same time.
        call = get_object_or_404(Call.objects.select_for_update(), uuid=uuid)
        latest = timezone.now() - timedelta(minutes=1)
        same = call.notes.filter(author=author, text=text, created_at__gte=latest)
        if not same.exists():
            Note.objects.create(call=call, author=author, text=text)


@require_POST
@permission_required("caller.view_call", raise_exception=True)
def delete_note(request: HttpRequest, uuid: str, pk: int) -> HttpResponse:
    """Delete a note. Another user's note needs the permission `delete_note`."""
    notes = Note.objects.select_related("call").filter(call__uuid=uuid)
    note = get_object_or_404(notes, pk=pk)
    if note.author_id != request.user.pk and not request.user.has_perm(
        "caller.delete_note"
    ):
        raise PermissionDenied
    note.delete()
    messages.success(request, "The note was deleted.")
    return redirect(f"{note.call.get_absolute_url()}#notes")


@require_POST
@permission_required(["caller.view_call", "caller.add_note"], raise_exception=True)
def tag_call(request: HttpRequest, uuid: str) -> HttpResponse:
    """Add a tag to a call, or remove a tag from it."""
    call = get_object_or_404(Call, uuid=uuid)
    typed = request.POST.get("tag", "").replace("\0", "")
    try:
        if request.POST.get("remove"):
            call.tags.remove(*Tag.objects.filter(name=tag_name(typed)))
        else:
            call.tags.add(Tag.objects.get_or_create_by_name(typed))
    except ValidationError as error:
        messages.error(request, error.messages[0])
    return redirect(f"{call.get_absolute_url()}#notes")
