from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path

from djtranscribe.accounts import password_reset
from djtranscribe.accounts.views import log_out_elsewhere, profile
from djtranscribe.views import healthz, metrics

handler400 = "djtranscribe.views.bad_request"
handler404 = "djtranscribe.views.page_not_found"
handler500 = "djtranscribe.views.server_error"

urlpatterns: list[URLPattern | URLResolver] = []
if settings.USES_ALLAUTH:
    # Include this before `admin.site.urls` is read: allauth_urls.py replaces admin's
    # login page.
    urlpatterns.append(path("accounts/", include("djtranscribe.accounts.allauth_urls")))
urlpatterns += [
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
    path("profile/", profile, name="profile"),
    path("profile/log-out/", log_out_elsewhere, name="log_out_elsewhere"),
    *password_reset.urlpatterns(),
    # This replaces admin's own page, which does not log out accounts without staff
    # status.
    path(
        "admin/logout/",
        LogoutView.as_view(next_page=settings.LOGIN_URL),
        name="logout",
    ),
    path("admin/", admin.site.urls),
    path("api/", include("djtranscribe.api.urls")),
    path("", include("caller.urls")),
    path("", include("transcription.urls")),
]
