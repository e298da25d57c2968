from django.apps import AppConfig


class CallerConfig(AppConfig):
    name = "caller"
    verbose_name = "Calls"

    def ready(self) -> None:
        from caller import checks  # noqa: F401 - registers the checks
        from caller.recordings import receivers  # noqa: F401 - connects the receivers
