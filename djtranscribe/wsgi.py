import os

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "djtranscribe.settings")


class Utf8Request(WSGIRequest):
    """Ignore the charset in a request's Content-Type: all our clients use UTF-8.

    Django would decode the query string with this charset. For `charset=hex`, Django
    would raise LookupError.
    """

    @property
    def encoding(self) -> str | None:
        return None

    @encoding.setter
    def encoding(self, value: str | None) -> None:
        pass


application: WSGIHandler = get_wsgi_application()
application.request_class = Utf8Request

# gunicorn runs no system checks, so run them here. For example, the server must not
# start without TWILIO_AUTH_TOKEN, because it could not verify webhooks.
call_command("check")
