"""Bulk export from the admin's list of transcripts, and the list of past exports."""

from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID, uuid4

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse

from djtranscribe.adminsite.filters import DateRangeFilter
from djtranscribe.adminsite.large_tables import LargeTableAdmin
from djtranscribe.adminsite.read_only import ReadOnly
from transcription.exports import bulk
from transcription.exports.formats import FORMATS
from transcription.exports.forms import CSV, KINDS, ExportForm
from transcription.models import Export, Transcript


@admin.action(description="Export…", permissions=["view"])
def export(
    model_admin: Any, request: HttpRequest, chosen: QuerySet[Transcript]
) -> HttpResponseBase:
    """Show a form for the kind of file. When the form is sent, return the file."""
    uuid = uuid_of(request.POST.get("export", ""))
    answers = {**request.POST.dict(), "export": uuid}
    form = ExportForm(answers if "kind" in answers else None, initial={"export": uuid})
    if form.is_bound and form.is_valid():
        return download(request, chosen, form)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Export transcripts",
        "opts": model_admin.opts,
        "form": form,
        "total": chosen.count(),
        "progress_of": uuid,
        # Hidden fields of the form. With them, admin calls `export` again when the form
        # is sent, for the same rows.
        "again": {
            "action": "export",
            "select_across": request.POST.get("select_across", "0"),
        },
        "checkbox": ACTION_CHECKBOX_NAME,
        "checked": request.POST.getlist(ACTION_CHECKBOX_NAME),
    }
    template = "admin/transcription/transcript/export.html"
    return TemplateResponse(request, template, context)


def uuid_of(typed: str) -> UUID:
    """Return the UUID that the page sent, or a new UUID if it sent no valid one."""
    try:
        return UUID(typed)
    except ValueError:
        return uuid4()


def download(
    request: HttpRequest, chosen: QuerySet[Transcript], form: ExportForm
) -> StreamingHttpResponse:
    kind = form.cleaned_data["kind"]
    row = Export.objects.create(
        uuid=form.cleaned_data["export"],
        user=cast(User, request.user),
        kind=dict(KINDS)[kind],
        total=chosen.count(),
    )
    # If possible, do not load `words`: this column can have megabytes.
    needs_words = kind != CSV and FORMATS[kind].needs_words(form.options)
    unused_columns = [] if needs_words else ["words"]
    loaded = bulk.batches(chosen, request.user, *unused_columns)
    # `track_progress` saves the progress after each batch, but a batch of PDF files
    # takes minutes. So a batch for a ZIP has only one transcript.
    batches = row.track_progress(loaded if kind == CSV else bulk.one_by_one(loaded))
    if kind == CSV:
        pieces: Iterator[bytes] = bulk.csv_lines(batches, form.options.version)
        content_type, name = "text/csv; charset=utf-8", "transcripts.csv"
    else:
        pieces = bulk.zip_pieces(batches, kind, form.options)
        content_type, name = "application/zip", "transcripts.zip"
    answer = StreamingHttpResponse(pieces, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@admin.register(Export)
class ExportAdmin(LargeTableAdmin, ReadOnly, admin.ModelAdmin[Export]):
    list_display = ["begun_at", "user", "kind", "total", "sent", "is_complete"]
    list_filter = [("begun_at", DateRangeFilter)]
    list_select_related = ["user"]
    sortable_by = ["begun_at"]
    fields = ["user", "kind", "total", "sent", "begun_at", "finished_at"]
    empty_text = (
        "No bulk exports yet. To make one, select transcripts in their list and run "
        "the action “Export…”."
    )

    @admin.display(description="complete", boolean=True)
    def is_complete(self, row: Export) -> bool:
        return row.finished_at is not None
