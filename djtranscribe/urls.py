from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("caller.urls")),
    path("", include("transcription.urls")),
]
