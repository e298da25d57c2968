from djtranscribe.accounts.models import (
    ONE_SITTING,
    Access,
    ApiToken,
    Profile,
    Session,
    zone_of,
)
from djtranscribe.vendors.models import JOB, PROBE_AFTER, READ, SUBMIT, VendorPause
from djtranscribe.webhooks.models import REFUSED_A_MINUTE, WebhookDelivery

__all__ = [
    "JOB",
    "ONE_SITTING",
    "PROBE_AFTER",
    "READ",
    "REFUSED_A_MINUTE",
    "SUBMIT",
    "Access",
    "ApiToken",
    "Profile",
    "Session",
    "VendorPause",
    "WebhookDelivery",
    "zone_of",
]
