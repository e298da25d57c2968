from djtranscribe.models.access import ONE_SITTING, Access
from djtranscribe.models.api_token import ApiToken
from djtranscribe.models.profile import Profile, zone_of
from djtranscribe.models.vendor_pause import JOB, PROBE_AFTER, READ, SUBMIT, VendorPause
from djtranscribe.models.webhook_delivery import REFUSED_A_MINUTE, WebhookDelivery

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
    "VendorPause",
    "WebhookDelivery",
    "zone_of",
]
