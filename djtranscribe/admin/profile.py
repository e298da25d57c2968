from django.contrib import admin

from djtranscribe.forms import ProfileForm
from djtranscribe.long_lists import LongLists
from djtranscribe.models import Profile
from djtranscribe.read_only_admin import OddRequests


@admin.register(Profile)
class ProfileAdmin(LongLists, OddRequests, admin.ModelAdmin[Profile]):
    """No group has the permissions: accounts edit their own on the Profile page."""

    form = ProfileForm
    list_display = ["user", "time_zone"]
    list_select_related = ["user"]
    sortable_by = ["user"]
    fields = ["user", "time_zone"]
    when_empty = "No account has chosen a time zone: all see times in the site's."
