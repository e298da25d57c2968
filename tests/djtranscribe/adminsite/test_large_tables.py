"""Admin's lists: filters and orders are correct and use an index.

A long list needs no more queries than a short one.
"""

import re
from datetime import datetime, timedelta, timezone

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from caller.models import Call, DoNotCall, Recording
from djtranscribe.adminsite import filters, large_tables
from djtranscribe.models import Access, VendorPause, WebhookDelivery
from tests.caller.rows import a_call, a_recording
from transcription.models import Transcript, Vocabulary

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

CALLS = "/admin/caller/call/"
RECORDINGS = "/admin/caller/recording/"
TRANSCRIPTS = "/admin/transcription/transcript/"
ACCESSES = "/admin/djtranscribe/access/"
DELIVERIES = "/admin/djtranscribe/webhookdelivery/"
LISTS = {
    Call: CALLS,
    Recording: RECORDINGS,
    Transcript: TRANSCRIPTS,
    Access: ACCESSES,
    WebhookDelivery: DELIVERIES,
    DoNotCall: "/admin/caller/donotcall/",
    VendorPause: "/admin/djtranscribe/vendorpause/",
    Vocabulary: "/admin/transcription/vocabulary/",
}
DAY = datetime(2026, 3, 5, 12, tzinfo=timezone.utc)


@pytest.fixture
def supervisor():
    user = User.objects.create_user("grace", is_staff=True)
    user.groups.set(Group.objects.all())
    client = Client()
    client.force_login(user)
    return client


def rows(page):
    assert page.status_code == 200
    return list(page.context_data["cl"].result_list)


def fill(first, last):
    """Create one row of each model for each number from `first` to `last` - 1."""
    for number in range(first, last):
        user = User.objects.create_user(f"operator-{number}")
        words = Vocabulary.objects.create(name=f"List {number}")
        call = a_call(
            other_number=f"+4420794601{number:02}",
            sid=f"CA{number:032}",
            requested_by=user,
            vocabulary=words,
        )
        recording = a_recording(call=call, sid=f"RE{number:032}")
        transcript = Transcript.objects.create(
            recording=recording, vocabulary=words, language=f"l{number}", text="Yes."
        )
        what, row = [("recording", recording), ("transcript", transcript)][number % 2]
        Access.objects.create(user=user, action="read", what=what, row=row.pk)
        WebhookDelivery.objects.create(
            kind=f"kind-{number}",
            verdict="accepted",
            answer_status=204,
            about=call.uuid,
        )
        DoNotCall.objects.create(number=f"+4420794602{number:02}")
        VendorPause.objects.create(vendor=f"V{number}", reason="Key.", probe_at=DAY)


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model.__name__)
def test_fifty_rows_cost_the_queries_of_two(supervisor, model):
    fill(0, 2)
    # Only the first visit saves who has read the texts, so its queries do not count.
    supervisor.get(LISTS[model])
    with CaptureQueriesContext(connection) as few:
        supervisor.get(LISTS[model])
    queries = len(few)
    fill(2, 50)
    supervisor.get(LISTS[model])

    with CaptureQueriesContext(connection) as many:
        page = supervisor.get(LISTS[model])

    assert len(rows(page)) == 50
    assert len(many) == queries


def test_every_own_admin_table_is_a_large_table_admin():
    ours = {
        model: table
        for model, table in admin.site._registry.items()
        if model._meta.app_label in ("caller", "transcription", "djtranscribe")
    }
    assert set(LISTS) <= set(ours)
    for model, table in ours.items():
        assert isinstance(table, large_tables.LargeTableAdmin), model
        assert table.empty_text, model
        assert not table.date_hierarchy, "it reads the whole table for its years"


def test_every_order_of_a_list_of_many_rows_has_an_index():
    indexed = {
        Call: {"number", "created_at", "length"},
        Recording: {"created_at", "length"},
        Transcript: {"created_at", "length", "certainty"},
        Access: {"at"},
        WebhookDelivery: {"received_at"},
    }

    for model, columns in indexed.items():
        assert set(admin.site._registry[model].sortable_by) == columns, model


# The count


def test_a_long_list_is_counted_no_further_than_its_pages_lead(supervisor, monkeypatch):
    monkeypatch.setattr(large_tables, "MAX_COUNT", 100)
    Call.objects.bulk_create(
        Call(other_number="+14155551234", our_number="", status="busy")
        for _ in range(120)
    )

    with CaptureQueriesContext(connection) as asked:
        first = supervisor.get(CALLS)
        counts = [query["sql"] for query in asked if "COUNT(" in query["sql"]]
    last = supervisor.get(CALLS, {"p": 2})
    beyond = supervisor.get(CALLS, {"p": 3}, follow=True)

    assert len(counts) == 1
    assert "LIMIT 101" in counts[0]
    assert "100+ calls" in first.text
    assert "Only the first 1,000 rows are shown" in first.text
    assert (len(rows(first)), len(rows(last))) == (50, 50)
    assert beyond.redirect_chain == [(f"{CALLS}?e=1", 302)]


def test_capped_count_has_a_thousands_separator():
    assert str(large_tables.CappedCount(10_000)) == "10,000+"


def test_a_short_list_is_counted_and_says_no_more(supervisor):
    a_call()

    page = supervisor.get(CALLS)

    assert "1 call\n" in page.text
    assert "1+" not in page.text
    assert "The pages show" not in page.text
    assert "Show all" not in page.text


# Sort orders


@pytest.mark.parametrize(
    ("order", "seconds"),
    [("o=4", [50, 9, 9, None]), ("o=-4", [None, 9, 9, 50])],
)
def test_the_longest_come_first_and_the_unknown_last(supervisor, order, seconds):
    for known in (9, None, 50, 9):
        a_call(status="busy", duration_seconds=known)

    page = supervisor.get(f"{CALLS}?{order}")

    assert [call.duration_seconds for call in rows(page)] == seconds


def test_equal_rows_are_reversed_with_the_sort_order(supervisor):
    """One index serves both orders: the database reads it forwards or backwards."""
    same = [a_call(status="busy", duration_seconds=9).pk for _ in range(3)]

    down = [call.pk for call in rows(supervisor.get(f"{CALLS}?o=4"))]
    up = [call.pk for call in rows(supervisor.get(f"{CALLS}?o=-4"))]

    assert down == same[::-1]
    assert up == same


def test_the_least_sure_come_first_and_the_unknown_last(supervisor):
    recording = a_recording()
    for confidence in (0.9, None, 0.4):
        Transcript.objects.create(recording=recording, confidence=confidence)

    page = supervisor.get(f"{TRANSCRIPTS}?o=4")

    assert [row.confidence for row in rows(page)] == [0.4, 0.9, None]


# The filters


@pytest.fixture
def some_calls():
    ada, bob = (User.objects.create_user(name) for name in ("ada", "bob"))
    words = Vocabulary.objects.create(name="Cardiology")
    User.objects.create_user("never-dialled")
    return {
        "old": a_call(
            other_number="+14155551234",
            status="completed",
            created_at=DAY,
            duration_seconds=9,
            requested_by=ada,
        ),
        "canadian": a_call(
            other_number="+16045551234",
            status="busy",
            created_at=DAY + timedelta(days=1),
            requested_by=bob,
            vocabulary=words,
        ),
        "british": a_call(
            other_number="+442079460123",
            status="ringing",
            created_at=DAY + timedelta(days=2),
            duration_seconds=60,
            requested_by=bob,
        ),
        "lost": a_call(
            other_number="+442079460124",
            status="unknown",
            created_at=DAY + timedelta(days=3),
            duration_seconds=300,
        ),
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("from=2026-03-06", "canadian british lost"),
        ("to=2026-03-06", "old canadian"),
        ("from=2026-03-06&to=2026-03-06", "canadian"),
        ("from=&to=", "old canadian british lost"),
        ("state=completed", "old"),
        ("state=under-way", "british lost"),
        ("state=unknown", "lost"),
        ("country=CA", "canadian"),
        ("country=US", "old"),
        ("country=GB", "british lost"),
        ("length=seconds", "old"),
        ("length=minute", ""),
        ("length=minutes", "british"),
        ("length=longer", "lost"),
        ("country=GB&from=2026-03-08", "lost"),
        ("operator={ada}", "old"),
        ("operator={bob}", "canadian british"),
        ("keywords={words}", "canadian"),
        ("q=1234", "old canadian"),
        ("q=604", "canadian"),
        ("q=%2B44", "british lost"),
        ("q=0044+20", "british lost"),
        ("q=011+44+20", "british lost"),
        ("q=(020)+7946+0123", "british"),
        ("q=%E2%80%AA%2B44+20%E2%80%917946%E2%80%910123%E2%80%AC", "british"),
        ("q=%2B1+415", "old"),
        ("q=5551", ""),
        ("q=never+a+number", ""),
    ],
)
def test_calls_are_found_by(supervisor, some_calls, query, found):
    query = query.format(
        words=Vocabulary.objects.get().pk,
        **{name: User.objects.get(username=name).pk for name in ("ada", "bob")},
    )

    page = supervisor.get(f"{CALLS}?{query}")

    keys = {call.pk for call in rows(page)}
    assert keys == {some_calls[name].pk for name in found.split()}
    if not found:
        assert "Nothing matches." in page.text


@pytest.mark.parametrize(
    "query",
    [
        "country=XX",
        "country=%00",
        "operator=x",
        "operator=99999999999999999999",
        "length=0",
        "from=tomorrow",
        "from=2026-02-30",
        "to=9999-12-31",
    ],
)
def test_invalid_filter_value_shows_the_whole_list(supervisor, some_calls, query):
    page = supervisor.get(f"{CALLS}?{query}", follow=True)

    assert len(rows(page)) == 4


def test_a_filter_offers_only_what_there_is(supervisor, some_calls):
    page = supervisor.get(CALLS)

    offered = {
        each.title: [
            str(choice["display"]) for choice in each.choices(page.context["cl"])
        ]
        for each in page.context_data["cl"].filter_specs
    }
    assert offered["country"] == ["All", "Canada", "United Kingdom", "United States"]
    assert offered["operator"] == ["All", "ada", "bob"]
    assert offered["keyword list"] == ["All", "Cardiology"]


def test_the_values_of_a_column_are_found_without_reading_it(some_calls):
    field = Call._meta.get_field("country_code")

    assert filters.values_in(field) == ["CA", "GB", "US"]
    assert filters.values_in(Transcript._meta.get_field("language")) == []


def test_the_form_of_the_dates_keeps_the_other_filters(supervisor, some_calls):
    page = supervisor.get(f"{CALLS}?country=GB&from=2026-03-01&p=1")

    form = page.text.partition('class="dates"')[2].partition("</form>")[0]
    assert '<input type="hidden" name="country" value="GB">' in form
    assert 'name="from" value="2026-03-01"' in form
    assert form.count('name="from"') == 1


@pytest.fixture
def some_transcripts(some_calls):
    made = {}
    for name, call in some_calls.items():
        recording = a_recording(call=call, sid=f"RE{name}")
        made[name] = Transcript.objects.create(recording=recording)
    columns = {
        "old": {"status": "completed", "confidence": 0.59, "language": "en_us"},
        "canadian": {"status": "completed", "confidence": 0.6, "audio_seconds": 61.5},
        "british": {"status": "error", "model_used": "universal-2"},
        "lost": {
            "status": "completed",
            "confidence": 1.0,
            "vocabulary": Vocabulary.objects.get(),
        },
    }
    for name, transcript in made.items():
        Transcript.objects.filter(pk=transcript.pk).update(
            created_at=some_calls[name].created_at, **columns[name]
        )
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("attention=failed", "british"),
        ("attention=stuck", ""),
        ("from=2026-03-06&to=2026-03-07", "canadian british"),
        ("status__exact=error", "british"),
        ("confidence=doubtful", "old"),
        ("confidence=fair", "canadian"),
        ("confidence=sure", "lost"),
        ("length=minutes", "canadian"),
        ("operator={bob}", "canadian british"),
        ("country=GB", "british lost"),
        ("keywords={words}", "lost"),
        ("language=en_us", "old"),
        ("model=universal-2", "british"),
        ("q=0123", "british"),
    ],
)
def test_transcripts_are_found_by(supervisor, some_transcripts, query, found):
    bob = User.objects.get(username="bob").pk
    query = query.format(bob=bob, words=Vocabulary.objects.get().pk)

    page = supervisor.get(f"{TRANSCRIPTS}?{query}")

    keys = {transcript.pk for transcript in rows(page)}
    assert keys == {some_transcripts[name].pk for name in found.split()}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("origin=call", "1"),
        ("origin=file", "2"),
        ("length=minute", "2"),
        ("q=1234", "1"),
        ("q=CAa", "1"),
        ("q=RE2", "2"),
        ("q={uuid}", "1"),
    ],
)
def test_recordings_are_found_by(supervisor, query, found):
    call = a_call(sid="CAa")
    a_recording(pk=1, sid="RE1", call=call, source="RecordVerb")
    a_recording(pk=2, sid="RE2", source="file", duration_seconds=12)

    page = supervisor.get(f"{RECORDINGS}?{query.format(uuid=call.uuid)}")

    assert [str(recording.pk) for recording in rows(page)] == found.split()


# Texts and links


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model.__name__)
def test_an_empty_list_says_what_to_do_next(supervisor, model):
    page = supervisor.get(LISTS[model])
    table = admin.site._registry[model]

    assert table.empty_text in page.text
    assert "Nothing matches" not in page.text
    assert '<select name="action"' not in page.text


def test_a_search_for_nothing_leads_back_to_everything(supervisor):
    a_call()

    page = supervisor.get(CALLS, {"q": "999999"})

    assert 'Nothing matches. <a href="?">Show everything</a>' in page.text


def test_an_access_reads_as_a_sentence_and_leads_to_what_was_heard(supervisor):
    fill(0, 2)
    Transcript.objects.all().delete()
    Access.objects.filter(what="recording").update(action="listened")

    page = supervisor.get(ACCESSES)
    own = supervisor.get(f"{ACCESSES}{Access.objects.get(what='recording').pk}/change/")

    recording = Recording.objects.earliest("pk")
    assert f"operator-0 listened to recording {recording.pk}" in page.text
    for each in (page, own):
        assert f'href="{RECORDINGS}{recording.pk}/change/"' in each.text
        assert "Recording of the call to +44 20 7946 0100" in each.text
    assert re.search(r"Transcript \d+ \(deleted\)", page.text)


def test_a_delivery_is_a_table_and_leads_to_its_call(supervisor):
    call = a_call()
    delivery = WebhookDelivery.objects.create(
        kind="twilio-call",
        verdict="accepted",
        answer_status=204,
        about=call.uuid,
        body={"CallStatus": "ringing", "FromCity": "", "<b>": ["x", {"y": True}]},
    )

    page = supervisor.get(f"{DELIVERIES}{delivery.pk}/change/")

    assert "Twilio: status of a call" in page.text
    assert '<th scope="row">CallStatus</th><td>ringing</td>' in page.text
    assert "FromCity" not in page.text
    assert "&lt;b&gt;" in page.text
    assert f'href="{CALLS}?q={call.uuid}"' in page.text
    assert [row.pk for row in rows(supervisor.get(f"{CALLS}?q={call.uuid}"))] == [
        call.pk
    ]


def test_what_was_sent_is_a_table(supervisor):
    transcript = Transcript.objects.create(
        recording=a_recording(),
        request={"speech_models": ["universal-2", "slam-1"], "multichannel": True},
    )

    page = supervisor.get(transcript.get_absolute_url())

    assert '<th scope="row">speech_models</th><td>universal-2, slam-1</td>' in page.text
    assert '<th scope="row">multichannel</th><td>yes</td>' in page.text


def test_call_recording_and_transcript_lead_to_each_other(supervisor):
    call = a_call()
    recording = a_recording(call=call)
    transcript = Transcript.objects.create(recording=recording)
    pages = {
        row: f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/"
        for row in (call, recording, transcript)
    }

    for row, address in pages.items():
        text = supervisor.get(address).text
        for other, its_address in pages.items():
            assert other == row or f'href="{its_address}"' in text, (row, other)


# The country


def test_the_country_of_a_call_is_kept_when_it_is_made():
    assert a_call(other_number="+16045551234").country_code == "CA"
    assert a_call(other_number="not a number").country_code == ""


def act_on_all(supervisor, action):
    first = Transcript.objects.values_list("pk", flat=True).first()
    asked = {"action": action, "_selected_action": [first], "select_across": "1"}
    return supervisor.post(TRANSCRIPTS, asked)


@pytest.mark.parametrize("action", ["transcribe_again", "delete_selected"])
def test_action_on_too_many_rows_is_refused(supervisor, monkeypatch, action):
    fill(0, 4)
    monkeypatch.setattr(large_tables, "MAX_COUNT", 3)

    answer = act_on_all(supervisor, action)

    assert Transcript.objects.count() == 4
    assert "takes up to 3 rows at once" in supervisor.get(answer["Location"]).text


def test_action_on_all_counted_rows_is_allowed(supervisor, monkeypatch):
    fill(0, 4)
    Transcript.objects.update(status="completed")
    monkeypatch.setattr(large_tables, "MAX_COUNT", 4)

    act_on_all(supervisor, "transcribe_again")

    assert Transcript.objects.count() == 8


def test_an_export_takes_any_number(supervisor, monkeypatch):
    fill(0, 4)
    monkeypatch.setattr(large_tables, "MAX_COUNT", 3)

    assert (
        "The file will contain 4 transcripts" in act_on_all(supervisor, "export").text
    )


def calls_of_lengths(lengths):
    for number, seconds in enumerate(lengths):
        a_call(
            other_number=f"+1415555{2000 + number}",
            status="completed",
            duration_seconds=seconds,
        )


def lengths(page):
    return [call.duration_seconds for call in rows(page)]


def test_only_the_newest_of_many_filtered_rows_are_sorted(supervisor, monkeypatch):
    monkeypatch.setattr(large_tables, "MAX_COUNT", 3)
    monkeypatch.setattr(large_tables.LargeTableAdmin, "list_per_page", 2)
    calls_of_lengths([50, 5, 30, 10, 20])

    page = supervisor.get(f"{CALLS}?state=completed&o={column_of(CALLS, supervisor)}")

    assert lengths(page) == [30, 20]
    assert "the newest 1,000 of them are sorted here" in page.text


@pytest.mark.parametrize("query", ["state=completed&", ""])
def test_as_many_as_are_counted_are_sorted_all(supervisor, query):
    calls_of_lengths([50, 5, 30, 10, 20])

    page = supervisor.get(f"{CALLS}?{query}o={column_of(CALLS, supervisor)}")

    assert lengths(page) == [50, 30, 20, 10, 5]
    assert "are sorted here" not in page.text


def test_long_list_without_filter_is_sorted_completely(supervisor, monkeypatch):
    monkeypatch.setattr(large_tables, "MAX_COUNT", 3)
    calls_of_lengths([50, 5, 30, 10, 20])

    page = supervisor.get(f"{CALLS}?o={column_of(CALLS, supervisor)}")

    assert lengths(page)[:3] == [50, 30, 20]
    assert "are sorted here" not in page.text


def column_of(path, supervisor, name="length"):
    """Return the value of `?o=` that sorts by this column."""
    return supervisor.get(path).context_data["cl"].list_display.index(name)
