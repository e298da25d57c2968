"""Formats of dates and times in admin, as on our own pages: day first, 24 hours."""

DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = "j M Y, H:i:s"
