"""Migrations fill in what older rows lack, and can be undone."""

from importlib import import_module

import pytest
from django.core.management import call_command

from caller.models import Call
from tests.caller.rows import a_call, a_recording
from tests.transcription.rows import a_transcript
from transcription.models import Transcript
from transcription.search import finding
from transcription.search.query import parse


@pytest.mark.sql
@pytest.mark.django_db(transaction=True)
def test_migrations_can_be_undone_and_done_again(monkeypatch):
    countries = import_module("caller.migrations.0004_countries")
    monkeypatch.setattr(countries, "ROWS_AT_ONCE", 2)
    numbers = ["+16045551234", "+14155551234", "nonsense", "+442079460123"]
    calls = [a_call(other_number=number).pk for number in numbers]
    recording = a_recording(call=Call.objects.get(pk=calls[0]))
    transcript = a_transcript("completed", recording=recording, text="His pressure.")

    call_command("migrate", "caller", "0002", verbosity=0)
    call_command("migrate", "transcription", "0001", verbosity=0)
    call_command("migrate", verbosity=0)

    kept = Call.objects.in_bulk(calls)
    assert [kept[pk].country_code for pk in calls] == ["CA", "US", "", "GB"]
    query = parse("pressure")
    assert list(finding.filter_matching(Transcript.objects.all(), query)) == [
        transcript
    ]
