"""The pages of django-allauth that this site uses.

Left out: allauth's pages to sign up, change an e-mail address and reset a password.
"""

from allauth.account import views
from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, URLResolver, include, path

# Replace admin's own login page, because it does not ask for a second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
# Hide allauth's tables in admin: they hold secrets and do not help administrators.
for model in [each for each in admin.site._registry if "allauth" in each.__module__]:
    admin.site.unregister(model)

urlpatterns: list[URLPattern | URLResolver] = [
    path("login/", views.login, name="account_login"),
    # The button Cancel on the page for the second factor sends its request here. At
    # that point, the user is not logged in yet.
    path("logout/", login_not_required(views.logout), name="account_logout"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("reauthenticate/", views.reauthenticate, name="account_reauthenticate"),
]
if settings.TWO_FACTOR != "off":
    urlpatterns.append(path("2fa/", include("allauth.mfa.urls")))
if settings.OIDC_URL:
    urlpatterns.append(path("sso/", include("djtranscribe.accounts.single_sign_on")))
