from django.urls import path

from transcription import views
from transcription.assemblyai import webhooks
from transcription.exports import views as exports
from transcription.retention import views as retention
from transcription.review import pages
from transcription.review import views as review
from transcription.search import views as search
from transcription.vocabulary import suggestions
from transcription.vocabulary import views as vocabulary

app_name = "transcription"

urlpatterns = [
    path("search/", search.search_page, name="search"),
    path(
        "transcripts/<uuid:uuid>/export/<str:extension>/",
        exports.export,
        name="export",
    ),
    path(
        "exports/<uuid:uuid>/progress/", exports.export_progress, name="export-progress"
    ),
    path("transcripts/<uuid:uuid>/retry/", views.retry, name="retry"),
    path("transcripts/<uuid:uuid>/print/", exports.print_view, name="print"),
    path(
        "transcripts/<uuid:uuid>/again/",
        views.transcribe_again,
        name="transcribe-again",
    ),
    path("transcripts/<uuid:uuid>/compare/", pages.compare, name="compare"),
    path(
        "transcripts/<uuid:uuid>/corrections/",
        review.correct,
        name="correct",
    ),
    path("transcripts/<uuid:uuid>/undo/", review.undo, name="undo"),
    path("transcripts/<uuid:uuid>/redo/", review.redo, name="redo"),
    path("transcripts/<uuid:uuid>/replace/", review.replace, name="replace"),
    path("transcripts/<uuid:uuid>/speakers/", pages.speakers, name="speakers"),
    path("transcripts/<uuid:uuid>/preview/", review.preview, name="preview"),
    path("transcripts/<uuid:uuid>/history/", pages.history, name="history"),
    path(
        "transcripts/<uuid:uuid>/verify/",
        pages.set_verified,
        {"is_verified": True},
        name="verify",
    ),
    path(
        "transcripts/<uuid:uuid>/reopen/",
        pages.set_verified,
        {"is_verified": False},
        name="reopen",
    ),
    path("accuracy/", pages.accuracy_page, name="accuracy"),
    path("keyword-lists/suggestions/", suggestions.page, name="suggestions"),
    path(
        "keyword-lists/suggestions/<int:pk>/occurrences/",
        suggestions.occurrences,
        name="occurrences",
    ),
    path(
        "keyword-lists/suggestions/<int:pk>/settle/",
        suggestions.accept_or_dismiss,
        name="settle",
    ),
    path("keyword-lists/suggestions/<int:pk>/apply/", suggestions.apply, name="apply"),
    path("corrections/", suggestions.batches, name="batches"),
    path("corrections/<int:pk>/undo/", suggestions.undo, name="undo-batch"),
    path("calls/<uuid:uuid>/person/", retention.person_page, name="person"),
    path(
        "calls/<uuid:uuid>/person/export/",
        retention.export_person,
        name="export-person",
    ),
    path("deletions/<int:pk>/", retention.deletion_page, name="deletion"),
    path("keyword-lists/check/", vocabulary.check_terms, name="check-terms"),
    path(
        "keyword-lists/<int:pk>/terms.<str:extension>",
        vocabulary.download,
        name="terms",
    ),
    path(
        "webhooks/assemblyai/<uuid:uuid>/",
        webhooks.assemblyai_webhook,
        name="assemblyai-webhook",
    ),
]
