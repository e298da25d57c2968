from djtranscribe.models.access import ONE_SITTING, Access
from djtranscribe.models.api_token import ApiToken
from djtranscribe.models.profile import Profile, zone_of
from djtranscribe.models.vendor_pause import PROBE_AFTER, VendorPause
from djtranscribe.models.webhook_delivery import REFUSED_A_MINUTE, WebhookDelivery

__all__ = [
    "ONE_SITTING",
    "PROBE_AFTER",
    "REFUSED_A_MINUTE",
    "Access",
    "ApiToken",
    "Profile",
    "VendorPause",
    "WebhookDelivery",
    "zone_of",
]
