import os

from django.core.asgi import get_asgi_application
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "djtranscribe.settings")

application = get_asgi_application()

# gunicorn runs no system checks, so run them here. For example, they stop a site that
# cannot verify webhooks, because TWILIO_AUTH_TOKEN is empty, or cannot sign sessions,
# because SECRET_KEY is empty.
call_command("check")
