from datetime import datetime

from django import template

from djtranscribe import zones

register = template.Library()


@register.simple_tag
def zone_label(moment: datetime | None = None) -> str:
    """Return the name of the current time zone and its offset at `moment` or now."""
    return zones.label(moment)
