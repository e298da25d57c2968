from django.apps import AppConfig
from django.conf import settings
from django.db.backends.signals import connection_created

from djtranscribe import tracing


class DjtranscribeConfig(AppConfig):
    name = "djtranscribe"
    verbose_name = "Operation"

    def ready(self) -> None:
        from djtranscribe import checks  # noqa: F401 - registers the system checks
        from djtranscribe.database import set_up_connection

        connection_created.connect(set_up_connection)
        if settings.SENTRY_DSN:
            # Imported only here, because sentry_sdk is an optional requirement.
            from djtranscribe import sentry

            sentry.connect(settings.SENTRY_DSN)
        if settings.OTLP_ENDPOINT:
            tracing.connect(settings.OTLP_ENDPOINT)
