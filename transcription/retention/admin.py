from django.contrib import admin
from django.http import HttpRequest

from djtranscribe.adminsite.filters import DateRangeFilter
from djtranscribe.adminsite.large_tables import LargeTableAdmin
from djtranscribe.adminsite.read_only import ReadOnly
from transcription.models import Deletion


@admin.register(Deletion)
class DeletionAdmin(LargeTableAdmin, ReadOnly, admin.ModelAdmin[Deletion]):
    list_display = [
        "begun_at",
        "reason",
        "requested_by",
        "report",
        "is_complete",
        "problem",
    ]
    list_filter = [("begun_at", DateRangeFilter), "reason"]
    list_select_related = ["requested_by"]
    sortable_by = ["begun_at"]
    fields = [
        *("reason", "requested_by", "begun_at", "finished_at", "report", "problem"),
    ]
    readonly_fields = ["report"]
    empty_text = (
        "No deletions yet. Data is deleted permanently when its retention period ends "
        "(RETAIN_AUDIO_DAYS, RETAIN_TEXT_DAYS), or when you erase a person's data "
        "with “Export or erase” on the page of a number."
    )

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # The row proves the deletion. An unfinished deletion needs its row to continue.
        return False

    @admin.display(description="deleted")
    def report(self, deletion: Deletion) -> str:
        return deletion.report or "-"

    @admin.display(description="finished", boolean=True)
    def is_complete(self, deletion: Deletion) -> bool:
        return deletion.finished_at is not None
