from django.urls import path

from transcription import views
from transcription.assemblyai import webhooks

app_name = "transcription"

urlpatterns = [
    path("search/", views.search_page, name="search"),
    path(
        "transcripts/<uuid:uuid>/export/<str:extension>/",
        views.export,
        name="export",
    ),
    path(
        "exports/<uuid:uuid>/progress/", views.export_progress, name="export-progress"
    ),
    path("transcripts/<uuid:uuid>/retry/", views.retry, name="retry"),
    # AssemblyAI
    path(
        "webhooks/assemblyai/<uuid:uuid>/",
        webhooks.assemblyai_webhook,
        name="assemblyai-webhook",
    ),
]
