from django.apps import AppConfig


class TranscriptionConfig(AppConfig):
    name = "transcription"
    verbose_name = "Transcripts"

    def ready(self) -> None:
        from transcription import checks, receivers  # noqa: F401 - to register
