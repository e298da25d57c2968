from djtranscribe.accounts.models import (
    REPEAT_PERIOD,
    Access,
    ApiToken,
    Profile,
    Session,
    zone_of,
)
from djtranscribe.vendors.models import JOB, PROBE_INTERVAL, READ, SUBMIT, VendorPause
from djtranscribe.webhooks.models import MAX_REFUSED_PER_MINUTE, WebhookDelivery

__all__ = [
    "JOB",
    "MAX_REFUSED_PER_MINUTE",
    "PROBE_INTERVAL",
    "READ",
    "REPEAT_PERIOD",
    "SUBMIT",
    "Access",
    "ApiToken",
    "Profile",
    "Session",
    "VendorPause",
    "WebhookDelivery",
    "zone_of",
]
