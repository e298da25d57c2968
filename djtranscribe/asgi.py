import os

from django.core.asgi import get_asgi_application
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "djtranscribe.settings")

application = get_asgi_application()

# gunicorn runs no system checks, so run them here. Otherwise a site could start that
# cannot verify webhooks (TWILIO_AUTH_TOKEN is empty) or sign sessions (SECRET_KEY is
# empty).
call_command("check")
