import os

from django.core.asgi import get_asgi_application
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "djtranscribe.settings")

application = get_asgi_application()

# gunicorn runs no system checks, and a site that would accept forged
# webhooks, or could not sign a session, must not start.
call_command("check")
