from django.contrib import admin

from djtranscribe.admin.access import AccessAdmin
from djtranscribe.admin.api_token import ApiTokenAdmin
from djtranscribe.admin.profile import ProfileAdmin
from djtranscribe.admin.vendor_pause import VendorPauseAdmin
from djtranscribe.admin.webhook_delivery import WebhookDeliveryAdmin

__all__ = [
    "AccessAdmin",
    "ApiTokenAdmin",
    "ProfileAdmin",
    "VendorPauseAdmin",
    "WebhookDeliveryAdmin",
]

# The breadcrumbs lead back; beside a wide table a second menu leaves no room.
admin.site.enable_nav_sidebar = False
