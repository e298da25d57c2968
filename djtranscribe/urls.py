from django.contrib import admin
from django.urls import include, path

from djtranscribe.views import healthz, metrics, profile

handler500 = "djtranscribe.views.server_error"

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
    path("profile/", profile, name="profile"),
    path("admin/", admin.site.urls),
    path("api/", include("djtranscribe.api.urls")),
    path("", include("caller.urls")),
    path("", include("transcription.urls")),
]
