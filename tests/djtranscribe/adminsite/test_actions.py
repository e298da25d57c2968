"""An action in admin that fails says so."""

import pytest
from django.db import OperationalError
from django.test import Client

from tests.transcription.rows import a_transcript
from transcription.models import Transcript

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("query", ["", "?state=failed"])
def test_an_action_that_the_database_stops_fails(admin_user, monkeypatch, query):
    def locked(*args):
        raise OperationalError("database is locked")

    monkeypatch.setattr(Transcript, "retry", locked)
    client = Client(raise_request_exception=False)
    client.force_login(admin_user)
    chosen = a_transcript("error", next_attempt_at=None).pk

    answer = client.post(
        f"/admin/transcription/transcript/{query}",
        {"action": "try_again", "_selected_action": chosen},
    )

    assert answer.status_code == 503
