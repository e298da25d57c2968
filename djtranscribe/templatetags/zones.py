from django import template

from djtranscribe import zones

register = template.Library()


@register.simple_tag
def zone_label() -> str:
    """Name the current time zone, with its offset of now."""
    return zones.label()
