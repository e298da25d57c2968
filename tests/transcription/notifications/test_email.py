"""E-mail to the operator who dialled, if the account has an address.

It is sent once and is short. It has no phone number and no words of the transcript.
"""

import smtplib
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.formats import date_format

from tests.caller.rows import NUMBER, a_call, a_recording
from tests.data import load
from tests.transcription.rows import JOB, TEXT, a_transcript, advanced
from transcription.models import Notification, Transcript
from transcription.notifications import delivery

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def switched_on(settings):
    settings.NOTIFY_EMAIL = True


@pytest.fixture
def ada():
    return User.objects.create_user("ada", "ada@example.com")


@pytest.fixture
def transcript(ada):
    call = a_call(status="completed", next_check_at=None, requested_by=ada)
    return a_transcript("queued", recording=a_recording(call=call))


@pytest.fixture
def completed(vendors, transcript):
    vendors.get(JOB, json=load("assemblyai/completed"))
    return advanced(transcript)


@pytest.fixture
def failed(vendors, transcript):
    reason = "Decode error in https://media.example/RE1.wav of +14155551234"
    vendors.get(JOB, json=load("assemblyai/error", error=reason))
    return advanced(transcript)


def deliver():
    return delivery.deliver("email")


def the_one():
    return Notification.objects.get()


def test_operator_gets_an_email_when_a_call_is_transcribed(completed, mailoutbox):
    deliver()

    (mail,) = mailoutbox
    call = completed.recording.call
    assert mail.subject == "A call was transcribed"
    assert mail.to == ["ada@example.com"]
    made = date_format(call.created_at, "j M Y, H:i")
    assert mail.body == (
        f"Your call of {made} UTC was transcribed.\n\n"
        f"See the call: https://djtranscribe.example.com/calls/{call.uuid}/\n"
    )
    assert the_one().state == "sent"
    assert the_one().answer == "Accepted by the mail server"


def test_operator_gets_an_email_with_the_reason_when_transcription_fails(
    failed, mailoutbox
):
    deliver()

    (mail,) = mailoutbox
    assert mail.subject == "A call could not be transcribed"
    assert "AssemblyAI: Decode error in … of …" in mail.body
    assert (
        "Retry on the call's page, or send this link to a supervisor: https://"
        in mail.body
    )


def test_email_says_that_nobody_spoke(vendors, transcript, mailoutbox):
    vendors.get(JOB, json=load("assemblyai/completed", text="", words=[]))
    advanced(transcript)

    deliver()

    assert "Nobody spoke." in mailoutbox[0].body


def test_email_contains_no_transcript_text_and_no_phone_number(completed, mailoutbox):
    deliver()

    whole = mailoutbox[0].message().as_string()
    assert completed.text == TEXT
    assert not any(part in whole for part in ("cardiology", NUMBER[1:], "5551234"))


def test_email_has_a_message_id_and_is_marked_as_auto_generated(completed, mailoutbox):
    deliver()

    message = mailoutbox[0].message()
    assert message["Message-ID"] == f"<{the_one().uuid}@djtranscribe.example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"] == "djtranscribe@djtranscribe.example.com"


@pytest.mark.parametrize(
    "who", [{"email": ""}, {"is_active": False}], ids=["no address", "left"]
)
def test_operator_without_address_or_inactive_gets_no_email(
    vendors, transcript, ada, who
):
    User.objects.update(**who)
    vendors.get(JOB, json=load("assemblyai/completed"))

    advanced(transcript)

    assert not Notification.objects.exists()


def test_recording_without_a_call_sends_no_email(vendors):
    vendors.get(JOB, json=load("assemblyai/completed"))

    advanced(a_transcript("queued"))

    assert not Notification.objects.exists()


def test_imported_old_recording_sends_no_email(vendors, transcript, settings):
    settings.NOTIFY_URL = "https://receiver.example.com/"
    Transcript.objects.update(priority=-50)
    vendors.get(JOB, json=load("assemblyai/completed"))

    advanced(transcript)

    assert the_one().kind == "webhook"


@pytest.mark.parametrize(
    ("other", "mails"), [("completed", 0), ("error", 1), ("queued", 1)]
)
def test_email_is_sent_only_for_the_first_completed_transcript_of_a_recording(
    vendors, transcript, other, mails
):
    a_transcript(other, recording=transcript.recording, assemblyai_id="other")
    vendors.get(JOB, json=load("assemblyai/completed"))

    advanced(transcript)

    assert Notification.objects.count() == mails


@pytest.mark.parametrize("who", [{"email": ""}, {"is_active": False}])
def test_operator_who_leaves_before_delivery_gets_no_email(completed, mailoutbox, who):
    User.objects.update(**who)

    deliver()

    assert mailoutbox == []
    assert the_one().state == "given-up"


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.com\nBcc: eve@example.com",
        "ada@example.com\r\n\r\nHi",
        "ada@example.com, eve@example.com",
        "Ada <ada@example.com>",
        "ada",
    ],
)
def test_invalid_address_gets_no_email(completed, mailoutbox, address):
    User.objects.update(email=address)

    deliver()

    assert mailoutbox == []
    assert the_one().state == "given-up"
    assert address not in the_one().answer


FAILURES = [
    (ConnectionRefusedError(111, "refused"), "pending", "could not be reached"),
    (TimeoutError("timed out"), "pending", "could not be reached"),
    (smtplib.SMTPServerDisconnected("bye"), "pending", "closed the connection"),
    (smtplib.SMTPAuthenticationError(535, b"ada:s3cr3t"), "pending", "password"),
    (smtplib.SMTPDataError(451, b"s3cr3t"), "pending", "(451)"),
    (smtplib.SMTPNotSupportedError("STARTTLS"), "pending", "NotSupported"),
    (
        smtplib.SMTPRecipientsRefused({"ada@example.com": (450, b"s3cr3t")}),
        "pending",
        "(450)",
    ),
    (
        smtplib.SMTPRecipientsRefused({"ada@example.com": (550, b"s3cr3t")}),
        "given-up",
        "(550)",
    ),
]


@pytest.mark.parametrize(("error", "state", "said"), FAILURES)
def test_mail_server_error_is_retried_unless_permanent(
    completed, caplog, error, state, said
):
    with patch("django.core.mail.EmailMessage.send", side_effect=error):
        deliver()

    row = the_one()
    assert row.state == state
    assert said in row.answer
    assert not any(x in row.answer + caplog.text for x in ("s3cr3t", "ada@example"))


def test_an_address_that_no_mail_server_takes_is_kept_out_of_the_log(
    completed, ada, settings, caplog
):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    # In ASCII, this host name is too long, so Python cannot send the e-mail.
    User.objects.update(email=f"ada@{'ü' * 60}.example")
    taken = patch("smtplib.SMTP", autospec=True)

    with taken:
        deliver()

    row = the_one()
    assert row.state == "pending"
    assert "operator's address or EMAIL_URL" in row.answer
    assert "ü" not in row.answer + caplog.text
    assert "Traceback" not in caplog.text


def test_email_is_delivered_once_after_a_failure(completed, mailoutbox):
    away = patch("django.core.mail.EmailMessage.send", side_effect=TimeoutError)
    with away:
        deliver()
    Notification.objects.update(next_attempt_at=timezone.now())

    deliver()
    deliver()

    assert len(mailoutbox) == 1


def test_email_and_webhook_are_delivered_independently(
    vendors, transcript, settings, mailoutbox
):
    settings.NOTIFY_URL = "https://receiver.example.com/"
    vendors.get(JOB, json=load("assemblyai/completed"))
    advanced(transcript)

    deliver()

    states = Notification.objects.order_by("kind").values_list("kind", "state")
    assert list(states) == [("email", "sent"), ("webhook", "pending")]
    assert len(mailoutbox) == 1
