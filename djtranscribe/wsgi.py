import os

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "djtranscribe.settings")

application = get_wsgi_application()

# gunicorn asks no system check by itself, and a site that would accept forged
# webhooks, or could not sign a session, must not start.
call_command("check")
