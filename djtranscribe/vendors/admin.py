from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from djtranscribe.adminsite.large_tables import LargeTableAdmin
from djtranscribe.adminsite.read_only import ReadOnly
from djtranscribe.models import VendorPause


@admin.register(VendorPause)
class VendorPauseAdmin(LargeTableAdmin, ReadOnly, admin.ModelAdmin[VendorPause]):
    list_display = ["vendor", "reason", "since", "probe_at"]
    fields = ["vendor", "reason", "since", "probe_at"]
    empty_text = "No pauses: both vendors accept our account. There is nothing to do."
    actions = ["try_now"]

    def has_try_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("djtranscribe.change_vendorpause")

    @admin.action(description="Retry now", permissions=["try"])
    def try_now(self, request: HttpRequest, chosen: QuerySet[VendorPause]) -> None:
        """Delete the pauses, so that requests to these vendors are sent again."""
        chosen.delete()
        messages.success(
            request,
            "The pause is removed. Waiting work continues within a minute, or at the "
            "time that a busy vendor gave us. If the vendor refuses again, a new pause "
            "begins.",
        )
