"""Log in through an OpenID Connect provider, if OIDC_URL is set."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.openid_connect import views as oidc
from allauth.socialaccount.views import login_cancelled
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from requests import RequestException

from djtranscribe.accounts.allauth_settings import PROVIDER
from djtranscribe.public_urls import split_url

View = Callable[..., HttpResponse]


class SsoAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """At the first login, connect the provider's account with a user of this site.

        Find the user by the e-mail address that the provider has verified. Raises
        ImmediateHttpResponse (an error page) if not exactly one user has this address.
        """
        if sociallogin.is_existing:
            return
        verified = [each.email for each in sociallogin.email_addresses if each.verified]
        # The provider gives at most one address.
        email = verified[0] if verified else ""
        users = list(User.objects.filter(email__iexact=email)) if email else []
        if len(users) != 1:
            context = {"email": email, "found": len(users)}
            page = render(request, "no_account.html", context, status=403)
            raise ImmediateHttpResponse(page)
        sociallogin.connect(request, users[0])


def provider_view(view: View) -> View:
    """Decorate a view of allauth: set our public host, and explain provider errors."""

    @login_not_required
    @wraps(view)
    def wrapper(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        # allauth builds the callback's URL from the request's host, which may be wrong
        # behind a proxy. See public_urls.py.
        if host := split_url(settings.BASE_URL).netloc:
            request.META["HTTP_HOST"] = host
        try:
            return view(request, **kwargs)
        except (RequestException, KeyError, ValueError):
            page = "socialaccount/authentication_error.html"
            return render(request, page, status=502)

    return wrapper


urlpatterns: list[URLPattern] = [
    path("cancelled/", login_cancelled, name="socialaccount_login_cancelled"),
    path(
        "login/",
        provider_view(oidc.login),
        {"provider_id": PROVIDER},
        name="openid_connect_login",
    ),
    path(
        "callback/",
        provider_view(oidc.callback),
        {"provider_id": PROVIDER},
        name="openid_connect_callback",
    ),
]
