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

# Hide the sidebar: wide tables need the space, and the header links to admin's index.
admin.site.enable_nav_sidebar = False

# Hide the messages of the task queue: the pages of calls and transcripts show what
# the worker does.
admin.site.unregister(DBTaskResult)
