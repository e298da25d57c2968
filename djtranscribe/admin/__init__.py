import django_tasks_db.admin  # noqa: F401 - registers what is hidden below
from django.contrib import admin
from django_tasks_db.models import DBTaskResult

from djtranscribe.admin.access import AccessAdmin
from djtranscribe.admin.accounts import GroupAdmin, UserAdmin
from djtranscribe.admin.api_token import ApiTokenAdmin
from djtranscribe.admin.profile import ProfileAdmin
from djtranscribe.admin.vendor_pause import VendorPauseAdmin
from djtranscribe.admin.webhook_delivery import WebhookDeliveryAdmin

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
