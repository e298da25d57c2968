"""E-mail to the operator who dialled, through the server that EMAIL_URL names."""

import smtplib
import socket
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends import smtp
from django.core.validators import validate_email

from djtranscribe.public_urls import parts, public_url
from djtranscribe.vendors.deadlines import time_limit, watch_new
from djtranscribe.vendors.errors import VendorError

# All in all; each answer of the server has EMAIL_TIMEOUT besides.
TOTAL_SECONDS = 60


class EmailError(VendorError):
    vendor = "email"


class LimitedSMTP(smtplib.SMTP):
    def _get_socket(self, *address: Any) -> socket.socket:
        sock: socket.socket = super()._get_socket(*address)  # type: ignore[misc]
        watch_new(sock)
        return sock


class LimitedSMTPS(smtplib.SMTP_SSL, LimitedSMTP):
    pass


class Backend(smtp.EmailBackend):
    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return LimitedSMTPS if self.use_ssl else LimitedSMTP


def send(message_id: UUID, to: str, subject: str, body: str) -> str:
    """What became of it in words. Raises EmailError, without the address."""
    try:
        validate_email(to)
    except ValidationError as error:
        message = "The operator's e-mail address is none."
        raise EmailError(message, permanent=True) from error
    headers = {
        # The same at every attempt, so that a double is known as one.
        "Message-ID": f"<{message_id}@{parts(public_url('/')).hostname}>",
        # Nobody's holiday notice shall answer. RFC 3834
        "Auto-Submitted": "auto-generated",
    }
    try:
        mail = EmailMessage(subject, body, to=[to], headers=headers)
        # Addresses that no server takes are found before one is asked.
        mail.message()
        connection = get_connection()
        if isinstance(connection, smtp.EmailBackend):
            mail.connection = Backend()
        with time_limit(TOTAL_SECONDS):
            mail.send()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        # Not its text, which may repeat addresses and what we signed in with.
        raise failure(error) from None
    return "Taken by the mail server"


def failure(error: Exception) -> EmailError:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        code = max(codes, default=0)
        # 4xx: not now; 5xx: never. RFC 5321
        message = f"The mail server refused the operator's address ({code})."
        return EmailError(message, permanent=code >= 500, code=code)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        message = "The mail server refused the name or password in EMAIL_URL"
        return EmailError(f"{message} ({error.smtp_code}).", code=error.smtp_code)
    if isinstance(error, smtplib.SMTPResponseException):
        message = f"The mail server refused the message ({error.smtp_code})."
        return EmailError(message, code=error.smtp_code)
    if isinstance(error, ValueError):
        # A host's name that is too long, letters that a password cannot have.
        return EmailError(
            "Nothing was sent: the operator's address or EMAIL_URL is odd."
        )
    name = type(error).__name__
    return EmailError(f"The mail server could not be reached or hung up ({name}).")
