"""Session engine with a column for the user, and the list of an account's logins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from datetime import timezone as tz
from typing import Any, cast

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends import db
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from djtranscribe.models import Session
from djtranscribe.public_urls import client_address

# The key in a session under which details of its login are stored.
LOGIN = "login"
OLDEST_TIME = datetime.min.replace(tzinfo=tz.utc)
# {part of a User-Agent: name of the browser}. The first match counts, because Edge's
# User-Agent also contains `Chrome`, and Chrome's User-Agent also contains `Safari`.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS X": "Mac",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


class SessionStore(db.SessionStore):
    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        session = cast(Session, super().create_model_instance(data))
        session.user_id = data.get(SESSION_KEY)
        return session


@receiver(user_logged_in)
def record_login(request: HttpRequest, **kwargs: Any) -> None:
    request.session[LOGIN] = {
        "at": timezone.now().isoformat(),
        "address": client_address(request),
        "browser": browser_name(request.headers.get("User-Agent", "")),
    }


def browser_name(user_agent: str) -> str:
    """Return a name such as `Firefox on Linux` for a User-Agent header."""
    unknown = "Unknown browser"
    browser = next((BROWSERS[key] for key in BROWSERS if key in user_agent), unknown)
    system = next((SYSTEMS[key] for key in SYSTEMS if key in user_agent), "")
    return f"{browser} on {system}" if system else browser


@dataclass(frozen=True)
class Login:
    """A session that has not expired. Pages show `number`, because `key` is secret."""

    key: str
    is_this_one: bool
    browser: str
    address: str
    at: datetime | None

    @property
    def number(self) -> str:
        return salted_hmac("djtranscribe.login", self.key).hexdigest()[:20]


def logins(request: HttpRequest) -> list[Login]:
    """Return the account's logins: first the login of this request, then the others.

    The others are sorted, newest first.
    Leave out sessions with an older password, because they have ended.
    """
    now = timezone.now()
    user = cast(User, request.user)
    hashes = {user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()}
    rows = Session.objects.filter(user=user, expire_date__gt=now)
    found = [
        login(row, is_this_one=row.session_key == request.session.session_key)
        for row in rows
        if row.get_decoded().get(HASH_SESSION_KEY) in hashes
    ]
    found.sort(
        key=lambda each: (each.is_this_one, each.at or OLDEST_TIME), reverse=True
    )
    return found


def login(row: Session, is_this_one: bool) -> Login:
    # Sessions of older versions have no details of their login.
    about = row.get_decoded().get(LOGIN, {})
    return Login(
        key=row.session_key,
        is_this_one=is_this_one,
        browser=about.get("browser", "Unknown browser"),
        address=about.get("address", ""),
        at=datetime.fromisoformat(about["at"]) if about else None,
    )


def end_other_sessions(request: HttpRequest, number: str = "") -> int:
    """End other sessions of this account. Return how many were ended.

    number: `Login.number` of one session, or "" for all other sessions.
    """
    others = [
        each.key
        for each in logins(request)
        if not each.is_this_one and number in ("", each.number)
    ]
    return Session.objects.filter(session_key__in=others).delete()[0]
