"""E-mail to an operator, through the server in EMAIL_URL."""

import smtplib
import socket
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends import smtp
from django.core.validators import validate_email

from djtranscribe.database import release_connection
from djtranscribe.public_urls import public_url, split_url
from djtranscribe.vendors.deadlines import time_limit, watch_new
from djtranscribe.vendors.errors import VendorError

# Time limit for the whole delivery. EMAIL_TIMEOUT limits only a single read.
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
    """Send an e-mail and return a sentence about the outcome.

    Raises EmailError. The error message does not contain the address.
    """
    try:
        validate_email(to)
    except ValidationError as error:
        message = "The operator's e-mail address is not valid."
        raise EmailError(message, permanent=True) from error
    headers = {
        # Every attempt has the same ID, so that mail programs detect duplicates.
        "Message-ID": f"<{message_id}@{split_url(public_url('/')).hostname}>",
        # Prevent out-of-office replies. RFC 3834
        "Auto-Submitted": "auto-generated",
    }
    try:
        mail = EmailMessage(subject, body, to=[to], headers=headers)
        # Build the message before we connect: encoding the address may fail.
        mail.message()
        connection = get_connection()
        if isinstance(connection, smtp.EmailBackend):
            mail.connection = Backend()
        release_connection()
        with time_limit(TOTAL_SECONDS):
            mail.send()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        # Drop the cause, because its text may contain addresses and our credentials.
        raise failure(error) from None
    return "Accepted by the mail server"


def failure(error: Exception) -> EmailError:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        code = max(codes, default=0)
        # Code 4xx means a temporary failure, 5xx a permanent one. RFC 5321
        message = f"The mail server refused the operator's address ({code})."
        return EmailError(message, permanent=code >= 500, code=code)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        message = "The mail server refused the user name or password in EMAIL_URL"
        return EmailError(f"{message} ({error.smtp_code}).", code=error.smtp_code)
    if isinstance(error, smtplib.SMTPResponseException):
        message = f"The mail server refused the message ({error.smtp_code})."
        return EmailError(message, code=error.smtp_code)
    if isinstance(error, ValueError):
        # For example, EMAIL_URL has a host name that is too long, or its password has
        # an invalid character.
        return EmailError(
            "Nothing was sent: the operator's address or EMAIL_URL is not valid."
        )
    name = type(error).__name__
    return EmailError(
        f"The mail server could not be reached or closed the connection ({name})."
    )
