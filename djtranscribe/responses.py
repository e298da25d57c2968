"""Responses that are not HTML pages."""

from django.http import HttpResponse


def plain_text(message: str, status: int) -> HttpResponse:
    return HttpResponse(
        message, status=status, content_type="text/plain; charset=utf-8"
    )
