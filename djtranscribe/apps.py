from django.apps import AppConfig


class DjtranscribeConfig(AppConfig):
    name = "djtranscribe"
    verbose_name = "Operation"

    def ready(self) -> None:
        from djtranscribe import checks  # noqa: F401 - registers the system check
