from django.contrib import admin

from caller.models import DoNotCall
from djtranscribe.long_lists import LongLists
from djtranscribe.read_only_admin import OddRequests


@admin.register(DoNotCall)
class DoNotCallAdmin(LongLists, OddRequests, admin.ModelAdmin[DoNotCall]):
    list_display = ["__str__", "reason", "added_at"]
    search_fields = ["number", "reason"]
    when_empty = (
        "Nobody is on the list yet. Add the number of who asks not to be called: it "
        "is never dialled then."
    )
