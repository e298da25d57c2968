"""The list of notifications in admin: reading, filtering and sending again."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.transcription.notification import a_notification
from tests.transcription.rows import a_transcript
from transcription.notifications.models import LEASE

pytestmark = pytest.mark.django_db

PATH = "/admin/transcription/notification/"


@pytest.fixture(autouse=True)
def switched_on(settings):
    settings.NOTIFY_URL = "https://receiver.example.com/"


@pytest.fixture
def supervisor(client):
    user = User.objects.create_user("grace", is_staff=True)
    user.groups.add(Group.objects.get(name="Supervisors"))
    client.force_login(user)
    return client


def send_again(client, *rows):
    chosen = {"action": "send_again", "_selected_action": [row.pk for row in rows]}
    return client.post(PATH, chosen, follow=True).text


def test_list_can_be_filtered_by_state(supervisor):
    a_notification(state="sent", answer="HTTP status 204", next_attempt_at=None)
    reason = "Given up after 9 attempts. HTTP status 500"
    a_notification(state="given-up", answer=reason, next_attempt_at=None)

    page = supervisor.get(f"{PATH}?state=given-up").text

    assert reason in page
    assert "HTTP status 204" not in page


def test_search_by_transcript_uuid_finds_its_notifications(supervisor):
    wanted = a_notification(answer="this one")
    a_notification(answer="another")

    page = supervisor.get(f"{PATH}?q={wanted.about}").text

    assert "this one" in page
    assert "another" not in page


def test_detail_page_shows_content_and_transcript(supervisor):
    transcript = a_transcript("completed")
    row = a_notification(transcript=transcript, about=transcript.uuid)

    page = supervisor.get(f"{PATH}{row.pk}/change/").text

    assert transcript.get_absolute_url() in page
    assert "completed" in page.split("Content:")[1]


def test_list_query_count_does_not_depend_on_its_length(
    supervisor,
):
    a_notification(transcript=a_transcript("completed"))
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            supervisor.get(PATH)
        counts.append(len(queries))
        for _ in range(20):
            a_notification()

    assert counts[0] == counts[1]


@pytest.mark.parametrize("state", ["sent", "given-up", "pending"])
def test_send_again_resets_the_attempts_of_an_idle_notification(supervisor, state):
    row = a_notification(state=state, attempts=9, next_attempt_at=None)
    uuid = row.uuid

    page = send_again(supervisor, row)

    row.refresh_from_db()
    assert "Queued 1 notification to be sent again." in page
    assert (row.state, row.attempts, row.uuid) == ("pending", 0, uuid)
    assert row.next_attempt_at <= timezone.now()


def test_send_again_skips_a_notification_that_is_being_sent(supervisor):
    until = timezone.now() + LEASE - timedelta(seconds=9)
    row = a_notification(lease=uuid4(), leased_until=until, attempts=1)

    page = send_again(supervisor, row)

    row.refresh_from_db()
    assert "Queued 0 notifications to be sent again. Skipped: 1 (being sent now" in page
    assert (row.attempts, row.leased_until) == (1, until)


def test_send_again_skips_a_notification_of_a_disabled_kind(supervisor):
    row = a_notification(kind="email", state="given-up")

    page = send_again(supervisor, row)

    row.refresh_from_db()
    assert "Queued 0 notifications to be sent again." in page
    assert row.state == "given-up"


def test_notification_cannot_be_edited(admin_client):
    row = a_notification(answer="HTTP status 500")

    answer = admin_client.post(f"{PATH}{row.pk}/change/", {"answer": "fine"})

    row.refresh_from_db()
    assert (answer.status_code, row.answer) == (403, "HTTP status 500")
