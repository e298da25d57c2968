"""Set a new password through a link in an e-mail.

The pages exist only if the site has both:
- BASE_URL, for the link
- a valid EMAIL_URL, to send the e-mail, or DEBUG, which prints the e-mail
"""

import logging
from datetime import timedelta
from typing import Any
from uuid import uuid4

from axes.utils import reset as unlock
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.db.models import Q
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse, reverse_lazy
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.views.decorators.http import require_http_methods
from django_tasks import task

from djtranscribe.models import Profile
from djtranscribe.public_urls import public_url, split_url
from djtranscribe.vendors import email

logger = logging.getLogger(__name__)

# An account gets at most one link in this time: strangers must not fill a mailbox.
LINK_INTERVAL = timedelta(minutes=10)
SUBJECT = "A new password for djtranscribe"
BODY = """Somebody asked for a new password for the account {name} on {host}.

Choose it here, within {minutes} minutes:

{url}

If it was not you, ignore this e-mail. Your password stays as it is.
"""


class ResetRequestForm(PasswordResetForm):
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Queue a link for each active account that has this address and a password.

        Leave out accounts that got a link within LINK_INTERVAL. A worker sends the
        e-mails, because the response time must not show whether an account exists.
        """
        for user in self.get_users(self.cleaned_data["email"]):
            if not Profile.objects.filter(has_recent_link(), user=user).exists():
                send_link.enqueue(user.pk)


def has_recent_link() -> Q:
    """Return the condition for profiles that got a link within LINK_INTERVAL."""
    return Q(reset_link_at__gt=timezone.now() - LINK_INTERVAL)


def claim_link(user: Any) -> bool:
    """Store that the account gets a link now, and return True.

    If the account got a link within LINK_INTERVAL, change nothing and return False.
    """
    Profile.objects.get_or_create(user=user)
    mine = Profile.objects.filter(user=user).exclude(has_recent_link())
    return mine.update(reset_link_at=timezone.now()) > 0


@task()
def send_link(user_pk: int) -> None:
    """Create and send a link. An account gets at most one link in LINK_INTERVAL.

    Do nothing if the account is not active or was deleted.
    This task creates the link, because the queue must not contain secrets.
    """
    user = User.objects.filter(pk=user_pk, is_active=True).first()
    if user is None or not claim_link(user):
        return
    body = BODY.format(
        name=user.get_username(),
        host=split_url(settings.BASE_URL).hostname,
        minutes=settings.PASSWORD_RESET_TIMEOUT // 60,
        url=public_url(
            reverse(
                "password_reset_confirm",
                args=[
                    urlsafe_base64_encode(force_bytes(user.pk)),
                    default_token_generator.make_token(user),
                ],
            )
        ),
    )
    try:
        email.send(uuid4(), user.email, SUBJECT, body)
    except email.EmailError as error:
        logger.warning("user=%s password_reset=failed code=%s", user.pk, error.code)
        # No link was sent, so the user may ask for another link at once.
        Profile.objects.filter(user=user).update(reset_link_at=None)


LOGIN = {"login_url": reverse_lazy(settings.LOGIN_URL)}


class ResetRequestView(views.PasswordResetView):
    form_class = ResetRequestForm
    template_name = "password_reset.html"
    extra_context = LOGIN

    def form_valid(self, form: Any) -> HttpResponse:
        form.save()
        # Do not redirect with a message: a message needs a session, so each stranger
        # would add a row to the database.
        return self.render_to_response(self.get_context_data(is_sent=True))


class ResetConfirmView(views.PasswordResetConfirmView):
    template_name = "password_choose.html"
    success_url = LOGIN["login_url"]

    def form_valid(self, form: Any) -> HttpResponse:
        # Remove django-axes' lock: people try several passwords before they ask for a
        # new one.
        unlock(username=form.user.get_username())
        messages.success(self.request, "Your new password is saved. Log in with it.")
        return super().form_valid(form)

    def render_to_response(self, context: Any, **kwargs: Any) -> HttpResponse:
        if self.validlink:
            return super().render_to_response(context, **kwargs)
        context = {"form": ResetRequestForm(), "is_used": True, **LOGIN}
        return TemplateResponse(self.request, ResetRequestView.template_name, context)


def is_available() -> bool:
    drops_mail = settings.EMAIL_BACKEND.endswith("dummy.EmailBackend")
    return bool(settings.BASE_URL) and not drops_mail


def urlpatterns() -> list[URLPattern]:
    if not is_available():
        return []
    page = require_http_methods(["GET", "HEAD", "POST"])
    return [
        # Admin's login page links to the URL that has this name.
        path(
            "password-reset/",
            page(ResetRequestView.as_view()),
            name="admin_password_reset",
        ),
        path(
            "password-reset/<str:uidb64>/<str:token>/",
            page(ResetConfirmView.as_view()),
            name="password_reset_confirm",
        ),
    ]
