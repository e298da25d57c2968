from django import template

from djtranscribe import zones

register = template.Library()


@register.simple_tag
def zone_label() -> str:
    """Return the name of the current time zone and its present offset from UTC."""
    return zones.label()
