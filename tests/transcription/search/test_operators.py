"""Search operators. SQLite and PostgreSQL must give the same results."""

from datetime import datetime, timezone

import pytest
from django.contrib.auth.models import Permission, User

from caller.models import Contact, ContactNumber, Note, Tag
from tests.caller.rows import a_call, a_recording
from tests.transcription.rows import a_transcript
from transcription.models import Transcript
from transcription.search import finding
from transcription.search.operators import BadOperator
from transcription.search.query import parse

pytestmark = pytest.mark.django_db

SEARCH = "/search/"
CALLS = {
    # (number, user, tags, day in November 2026, text)
    "invoice": ("+14155551234", "ada", ["billing"], 3, "The invoice is wrong."),
    "thanks": ("+14155551234", "bob", ["billing", "to do"], 9, "Thank you so much."),
    "pump": ("+442079460123", "ada", [], 9, "The pump and the invoice."),
    "import": (None, None, [], 9, "An invoice from a file."),
}
CASES = {
    "tag:billing": "invoice thanks",
    "TAG:Billing": "invoice thanks",
    'tag:"to do"': "thanks",
    "-tag:billing": "pump import",
    "tag:billing invoice": "invoice",
    "invoice -tag:billing": "pump import",
    "tag:billing -invoice": "thanks",
    "to:4155551234": "invoice thanks",
    "to:0123": "pump",
    "to:+44": "pump",
    "to:grace": "pump",
    "invoice to:4155551234": "invoice",
    "invoice to:9999": "",
    "by:ada": "invoice pump",
    "by:ADA invoice": "invoice pump",
    "-by:ada": "thanks import",
    "after:2026-11-05": "thanks pump import",
    "after:2026-11-03 before:2026-11-04": "invoice",
    "before:2026-11-03": "",
    '"the invoice" after:2026-11-05 by:ada': "pump",
    "invo* by:ada -tag:billing": "pump",
    "tag:billing by:bob to:1234": "thanks",
    "about:blank": "",
}
WRONG = {
    "tag:nothing": "No call has the tag nothing.",
    "tag:": "tag:billing",
    "to:nobody": "No contact is called nobody.",
    "to:": "to:4155551234",
    "by:nobody": "There is no account with the username nobody.",
    "by:": "by:ada",
    "after:yesterday": "after:2026-11-01",
    "before:2026-13-01": "before:2026-11-01",
    "after:0001-01-01": "after:2026-11-01",
    "invoice before:9999-12-31": "before:2026-11-01",
}


@pytest.fixture
def calls():
    grace = Contact.objects.create(name="Grace Hopper")
    ContactNumber.objects.create(contact=grace, number="+44 20 7946 0123")
    made = {}
    for name, (to, by, tags, day, text) in CALLS.items():
        at = datetime(2026, 11, day, 12, tzinfo=timezone.utc)
        call = None
        if to:
            user, _ = User.objects.get_or_create(username=by)
            call = a_call(
                other_number=to, requested_by=user, status="completed", created_at=at
            )
            call.tags.set([Tag.objects.get_or_create_by_name(tag) for tag in tags])
        recording = a_recording(call=call, sid=f"RE{len(made):032}")
        row = a_transcript(
            "completed", recording=recording, text=text, assemblyai_id=name
        )
        Transcript.objects.filter(pk=row.pk).update(created_at=at)
        made[name] = row
    return made


def found(question, rows):
    names = {row.pk: name for name, row in rows.items()}
    query = parse(question)
    ranked = {names[pk] for pk in finding.ranked_keys(query)}
    listed = finding.filter_matching(Transcript.objects.all(), query)
    assert {names[row.pk] for row in listed} == ranked
    return ranked


@pytest.mark.parametrize(("question", "answer"), CASES.items())
def test_query_finds_the_expected_transcripts(calls, question, answer):
    assert found(question, calls) == set(answer.split())


@pytest.mark.parametrize(
    ("question", "order"),
    [("tag:billing", "2 transcripts, newest first"), ("invoice", "best match first")],
)
def test_page_shows_the_sort_order(browser, calls, question, order):
    page = browser.get(SEARCH, {"q": question})

    assert order in page.text


def test_calls_without_a_transcript_do_not_displace_transcripts(
    browser, calls, monkeypatch
):
    monkeypatch.setattr(finding, "MAX_RESULTS", 2)
    ada = User.objects.get(username="ada")
    for number in range(3):
        a_call(sid=f"CA{number:032}", status="no-answer", requested_by=ada)

    assert found("by:ada", calls) == {"invoice", "pump"}
    page = browser.get(SEARCH, {"q": "by:ada"})
    assert "Only the 2 newest are listed" in page.text


def test_excluded_words_do_not_displace_transcripts(calls, monkeypatch):
    monkeypatch.setattr(finding, "MAX_RESULTS", 1)

    assert found("tag:billing -thank", calls) == {"invoice"}
    assert found("before:2026-11-30 -invoice", calls) == {"thanks"}


@pytest.mark.parametrize("question", ["invoice", "by:ada", "invoice by:ada"])
def test_filtered_transcripts_are_not_displaced_by_others(calls, monkeypatch, question):
    monkeypatch.setattr(finding, "MAX_RESULTS", 1)
    rows = Transcript.objects.filter(created_at__day=3)

    assert finding.ranked_keys(parse(question), rows) == [calls["invoice"].pk]


@pytest.mark.parametrize(("question", "why"), WRONG.items())
def test_invalid_operator_is_explained(browser, calls, question, why):
    with pytest.raises(BadOperator, match=why.replace(".", r"\.")):
        finding.ranked_keys(parse(question))
    page = browser.get(SEARCH, {"q": question})
    listed = browser.get("/admin/transcription/transcript/", {"q": question})

    assert why in page.text
    assert why in listed.text
    assert not listed.context_data["cl"].result_list


def test_words_and_operators_find_notes(browser, calls, operator):
    call = calls["thanks"].recording.call
    Note.objects.create(call=call, author=operator, text="He paid the İnvoice <today>.")

    assert (
        "He paid the İnvoice &lt;today&gt;." in browser.get(SEARCH, {"q": "paid"}).text
    )
    for question in ('"the invoice" tag:billing', "invo* paid", "paid -tomorrow"):
        assert "He paid" in browser.get(SEARCH, {"q": question}).text, question
    for question in ('"invoice paid"', "paid -invoice", "paid by:ada", "pai"):
        assert "He paid" not in browser.get(SEARCH, {"q": question}).text, question


def test_a_call_without_a_transcript_is_found_by_its_tag(browser):
    call = a_call(status="no-answer")
    call.tags.add(Tag.objects.get_or_create_by_name("call back"))

    page = browser.get(SEARCH, {"q": 'tag:"call back"'})

    assert call.get_absolute_url() in page.text
    assert "These calls do, but they have no transcript." in page.text
    assert "No answer" in page.text


def test_notes_are_found_only_with_permission_to_view_calls(client, calls):
    reader = User.objects.create_user("reader")
    may = Permission.objects.get(codename="view_transcript")
    reader.user_permissions.add(may)
    client.force_login(reader)
    call = calls["thanks"].recording.call
    Note.objects.create(call=call, author=None, text="A secret about Mr Smith.")

    page = client.get(SEARCH, {"q": "secret"})

    assert page.status_code == 200
    assert "Mr Smith" not in page.text
