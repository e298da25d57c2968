import django_tasks_db.admin  # noqa: F401 - registers what is hidden below
from django.contrib import admin
from django_tasks_db.models import DBTaskResult

from djtranscribe.accounts.admin import (
    AccessAdmin,
    ApiTokenAdmin,
    GroupAdmin,
    ProfileAdmin,
    UserAdmin,
)
from djtranscribe.vendors.admin import VendorPauseAdmin
from djtranscribe.webhooks.admin import WebhookDeliveryAdmin

__all__ = [
    "AccessAdmin",
    "ApiTokenAdmin",
    "GroupAdmin",
    "ProfileAdmin",
    "UserAdmin",
    "VendorPauseAdmin",
    "WebhookDeliveryAdmin",
]

# The breadcrumbs lead back; beside a wide table a second menu leaves no room.
admin.site.enable_nav_sidebar = False

# The queue's messages are copies of work that calls and transcripts show themselves.
admin.site.unregister(DBTaskResult)
