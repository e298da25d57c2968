from django.urls import path

from transcription import webhooks

app_name = "transcription"

urlpatterns = [
    path(
        "webhooks/assemblyai/<uuid:uuid>/",
        webhooks.assemblyai_webhook,
        name="assemblyai-webhook",
    ),
]
