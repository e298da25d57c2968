from django.urls import path

from sandbox.assemblyai import page, views
from sandbox.web import control

urlpatterns = [
    path("", page.index),
    path("_sandbox/jobs", page.jobs),
    path("_sandbox/account", page.settings),
    path("_sandbox/next-error", page.next_error),
    path("_sandbox/uploads", page.uploads),
    *control.urlpatterns,
    path("upload/<str:name>", views.uploaded),
    path("v2/upload", views.upload),
    path("v2/transcript", views.transcripts),
    path("v2/transcript/<str:job_id>", views.transcript),
    path("<path:path>", lambda request, path: views.unknown(request)),
]
