"""Many transcripts as one file, from admin's list: what is asked, and how it goes."""

from collections.abc import Iterator
from typing import Any, cast
from uuid import uuid4

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse

from djtranscribe.list_filters import Dates
from djtranscribe.long_lists import LongLists
from djtranscribe.read_only_admin import ReadOnly
from transcription import bulk_exports
from transcription.forms import CSV, KINDS, ExportForm
from transcription.models import Export, Transcript


@admin.action(description="Export…", permissions=["view"])
def export(
    model_admin: Any, request: HttpRequest, chosen: QuerySet[Transcript]
) -> HttpResponseBase:
    """A page that asks for the kind of file, then the file itself."""
    form = ExportForm(request.POST if "kind" in request.POST else None)
    if form.is_bound and form.is_valid():
        return download(request, chosen, form)
    if not form.is_bound:
        form.initial["export"] = uuid4()
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Export transcripts",
        "opts": model_admin.opts,
        "form": form,
        "total": chosen.count(),
        "progress_of": form["export"].value(),
        # What admin's list needs to find the same rows once more.
        "again": {
            "action": "export",
            "select_across": request.POST.get("select_across", "0"),
        },
        "checkbox": ACTION_CHECKBOX_NAME,
        "checked": request.POST.getlist(ACTION_CHECKBOX_NAME),
    }
    template = "admin/transcription/transcript/export.html"
    return TemplateResponse(request, template, context)


def download(
    request: HttpRequest, chosen: QuerySet[Transcript], form: ExportForm
) -> StreamingHttpResponse:
    kind, uuid = form.cleaned_data["kind"], form.cleaned_data["export"]
    if Export.objects.filter(uuid=uuid).exists():
        # The button was pressed twice: each file is an export of its own.
        uuid = uuid4()
    row = Export.objects.create(
        uuid=uuid,
        user=cast(User, request.user),
        kind=dict(KINDS)[kind],
        total=chosen.count(),
    )
    batches = row.sending(bulk_exports.batches(chosen, request.user))
    if kind == CSV:
        pieces: Iterator[bytes] = bulk_exports.csv_lines(batches)
        content_type, name = "text/csv; charset=utf-8", "transcripts.csv"
    else:
        pieces = bulk_exports.zip_pieces(batches, kind, form.options)
        content_type, name = "application/zip", "transcripts.zip"
    answer = StreamingHttpResponse(pieces, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@admin.register(Export)
class ExportAdmin(LongLists, ReadOnly, admin.ModelAdmin[Export]):
    list_display = ["begun_at", "user", "kind", "total", "sent", "is_whole"]
    list_filter = [("begun_at", Dates)]
    list_select_related = ["user"]
    sortable_by = ["begun_at"]
    fields = ["user", "kind", "total", "sent", "begun_at", "finished_at"]
    when_empty = (
        "Nobody has exported many transcripts at once yet. Choose some in their list, "
        "then the action “Export…”."
    )

    @admin.display(description="whole", boolean=True)
    def is_whole(self, row: Export) -> bool:
        return row.finished_at is not None
