"""Suggestions from corrections, and accuracy figures from verified transcripts."""

import re
import time
from datetime import datetime, timedelta
from datetime import timezone as tz
from threading import Thread

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from caller.models import Recording
from djtranscribe.models import Access
from tests.caller.rows import a_call
from tests.threads import needs_connections
from tests.transcription.review.test_editing import correct, fresh, heard
from transcription.assemblyai.keyterms import spellings_of
from transcription.models import Batch, Mistake, Score, Transcript, Vocabulary
from transcription.review import accuracy, editing
from transcription.review.mistakes import are_alike, pair_of, suggestions, update_counts
from transcription.search import finding
from transcription.vocabulary import past_transcripts

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


def said(text, **columns):
    recording = Recording.objects.create(source="file", status="completed")
    columns = {"assemblyai_id": None, "language": "en_us", **columns}
    return heard(text, recording=recording, **columns)


def twice_corrected(ada, wrong="metaprolyla,", right="metoprolol,"):
    rows = [said(f"Take {wrong} please and {wrong}") for _ in range(2)]
    words = len(wrong.split())
    for row in rows:
        correct(row, ada, (1, 1 + words, right), (3 + words, 3 + 2 * words, right))
    return rows


def counted():
    rows = Mistake.objects.values_list("heard", "corrected", "transcripts")
    return [row for row in rows if row[2]]


def test_a_mistake_counts_once_per_transcript_and_not_when_it_is_undone(ada):
    rows = twice_corrected(ada)
    assert counted() == [("metaprolyla", "metoprolol", 2)]

    correct(rows[0], ada, (1, 2, "metropolis,"))
    assert counted()[0] == ("metaprolyla", "metoprolol", 2)
    editing.undo(rows[1], ada, 1)
    assert ("metaprolyla", "metoprolol", 1) in counted()
    editing.redo(rows[1], ada, 1)
    assert ("metaprolyla", "metoprolol", 2) in counted()


def test_mistakes_are_always_changed_in_the_same_order():
    added = {(f"heard{n}", "right") for n in range(1, 10, 2)}
    removed = {(f"heard{n}", "right") for n in range(0, 10, 2)}
    update_counts(set(), removed)

    with CaptureQueriesContext(connection) as queries:
        update_counts(removed, added)

    updates = [each["sql"] for each in queries if each["sql"].startswith("UPDATE")]
    changed = [re.search("heard[0-9]", sql)[0] for sql in updates]
    assert changed == [f"heard{n}" for n in range(10)]


@pytest.mark.parametrize(
    ("original", "corrected", "pair"),
    [
        ("Up a penchant.", "gabapentin.", ("up a penchant", "gabapentin")),
        ("(siobhan)", "(Siobhan)", None),
        ("one two three four five", "x", None),
        ("word", "", None),
        ("word", "word", None),
        ("...", "word", None),
        ("x" * 300, "word", None),
    ],
)
def test_mistake_pairs_are_extracted_only_from_useful_corrections(
    original, corrected, pair
):
    assert pair_of(original, corrected) == pair


@pytest.mark.parametrize(
    ("heard", "corrected", "alike"),
    [
        ("metaprolyla", "metoprolol", True),
        ("up a penchant", "gabapentin", True),
        ("i'll do gear", "albuterol", True),
        ("oka for", "Okafor", True),
        ("colics", "Kowalczyk", True),
        ("yes", "no", False),
        ("tomorrow", "on Friday", False),
        ("he said", "the doctor", False),
    ],
)
def test_mishearing_is_distinguished_from_a_rewrite(heard, corrected, alike):
    assert are_alike(Mistake(heard=heard, corrected=corrected)) == alike


def test_the_same_correction_in_two_transcripts_is_suggested(ada, admin_client):
    clinic = Vocabulary.objects.create(name="Clinic", terms="aspirin")
    twice_corrected(ada)
    twice_corrected(ada, "yes", "no")
    twice_corrected(ada, "blood", "Blood test")
    twice_corrected(ada, "the heart rate", "heart")
    lone = said("Take ibuprofane now")
    correct(lone, ada, (1, 2, "ibuprofen"))
    Transcript.objects.filter(pk=said("metaprolyla again").pk).update(confidence=0.9)
    [suggested] = suggestions()

    page = admin_client.get("/keyword-lists/suggestions/").text
    assert "<del>metaprolyla</del>" in page
    assert "ibuprofen" not in page
    path = f"/keyword-lists/suggestions/{suggested.pk}"
    assert "1 transcript still contains “metaprolyla”" in " ".join(
        admin_client.get(f"{path}/occurrences/").text.split()
    )

    def settle(**typed):
        answer = admin_client.post(f"{path}/settle/", typed, follow=True)
        clinic.refresh_from_db()
        return answer.text

    assert "Choose a keyword list" in settle(what="term", text="x", vocabulary="99999")
    assert "has 7 words" in settle(
        what="term", text="a b c d e f g", vocabulary=clinic.pk
    )
    assert "Choose whether" in settle(what="", text="x", vocabulary=clinic.pk)
    assert (clinic.terms, clinic.version) == ("aspirin", 1)
    settle(what="term", text=" metoprolol ", vocabulary=clinic.pk)
    assert (clinic.terms, clinic.version) == ("aspirin\nmetoprolol", 2)
    assert suggestions() == []


def test_occurrences_that_take_too_long_are_not_counted(ada, admin_client, monkeypatch):
    def take_too_long(query):
        raise finding.TooFrequent

    twice_corrected(ada)
    row = Mistake.objects.get()
    monkeypatch.setattr(finding, "ranked_keys", take_too_long)

    page = admin_client.get(f"/keyword-lists/suggestions/{row.pk}/occurrences/").text

    assert "Too many transcripts contain “metaprolyla” to count them." in page


def test_a_suggestion_becomes_a_spelling_or_is_dismissed(ada, admin_client):
    clinic = Vocabulary.objects.create(name="Clinic")
    twice_corrected(ada)
    twice_corrected(ada, "kubernetic", "Kubernetes")
    first, second = suggestions()

    for row, typed in [
        (first, {"what": "spelling", "text": first.corrected}),
        (second, {"what": "dismiss"}),
    ]:
        admin_client.post(
            f"/keyword-lists/suggestions/{row.pk}/settle/",
            {"vocabulary": clinic.pk, **typed},
        )

    clinic.refresh_from_db()
    assert clinic.custom_spellings == f"{first.heard} = {first.corrected}"
    assert suggestions() == []


def test_punctuation_in_the_heard_text_makes_no_other_spelling(ada, admin_client):
    clinic = Vocabulary.objects.create(name="Clinic")
    twice_corrected(ada, "Gaba, pen=tin.", "gabapentin.")
    [row] = suggestions()

    admin_client.post(
        f"/keyword-lists/suggestions/{row.pk}/settle/",
        {"vocabulary": clinic.pk, "what": "spelling", "text": "gabapentin"},
    )

    clinic.refresh_from_db()
    assert spellings_of(clinic.custom_spellings) == [
        {"from": ["gaba pen tin"], "to": "gabapentin"}
    ]


def test_who_may_not_read_transcripts_sees_no_suggestions(ada, client):
    twice_corrected(ada)
    [row] = suggestions()
    batch = past_transcripts.create_batch("please", "kindly", ada)
    may = ["change_vocabulary", "correct_transcript"]
    ada.user_permissions.set(Permission.objects.filter(codename__in=may))
    client.force_login(ada)
    path = f"/keyword-lists/suggestions/{row.pk}"

    for page in (
        "/keyword-lists/suggestions/",
        "/corrections/",
        f"{path}/occurrences/",
    ):
        assert client.get(page).status_code == 403, page
    for page in (f"{path}/settle/", f"{path}/apply/", f"/corrections/{batch.pk}/undo/"):
        answer = client.post(page, {"what": "dismiss"})
        assert answer.status_code == 403, page


def test_accuracy_sums_counts_by_list_and_month(ada, admin_client):
    assert "no figures yet" in admin_client.get("/accuracy/").text
    clinic = Vocabulary.objects.create(name="Clinic", terms="metoprolol")
    for month, wrong in [(9, "metaprolyla"), (10, "metoprolol")]:
        row = said(f"Take {wrong} please.", vocabulary=clinic, vocabulary_version=1)
        day = datetime(2026, month, 5, tzinfo=tz.utc)
        Transcript.objects.filter(pk=row.pk).update(created_at=day)
        correct(row, ada, (1, 2, "metoprolol"))
        editing.verify(row, ada)
    assert Score.objects.count() == 2

    page = " ".join(admin_client.get("/accuracy/").text.split())

    assert "Clinic, version 1" in page
    assert "<b>1 of 2</b><br>50% (0 to 100)" in page
    assert "1 of 6<br>16.7% (0.0 to 33.3), fewer than 1,000 words" in page
    assert "33.3%" in page
    assert 'd="M0.0 73.3L640.0 220.0"' in page
    assert "<del>metaprolyla</del> <ins>metoprolol</ins>, in 1 transcript" in page


def test_scores_of_one_list_do_not_displace_those_of_another(ada, monkeypatch):
    monkeypatch.setattr(accuracy, "NEWEST", 2)
    monkeypatch.setattr(accuracy, "GROUPS", 2)
    old, new = (Vocabulary.objects.create(name=name) for name in ("Old", "New"))
    for vocabulary in (old, old, *[new] * 5):
        row = said("Take it please.", vocabulary=vocabulary, vocabulary_version=1)
        if not Score.objects.exists():
            correct(row, ada, (1, 2, "this"))
        editing.verify(row, ada)

    words = {group.name: group.words_wrong for group in accuracy.groups()}

    assert words["Old"].low == 0
    assert words["Old"].high == pytest.approx(100 / 3)
    assert words["New"] == (0, 0, 0)


def test_more_added_words_than_said_words_fit_the_plot(ada):
    row = said("Take it with some water.")
    correct(row, ada, (0, 5, "Take"))
    editing.verify(row, ada)

    [line] = accuracy.lines()

    assert line.months[0][1] == 400
    assert line.points[0][1] == 0


def test_a_deleted_list_has_one_name_on_the_whole_page(ada):
    clinic = Vocabulary.objects.create(name="Clinic", terms="metoprolol")
    for columns in (
        {"vocabulary": clinic, "vocabulary_version": 1},
        {"vocabulary": clinic, "vocabulary_version": 2},
        {},
    ):
        editing.verify(said("Take metoprolol please.", **columns), ada)

    clinic.delete()

    calls = {line.name: line.months[0][2] for line in accuracy.lines()}
    assert calls == {"A deleted list": 2, "No keyword list": 1}
    assert {group.name for group in accuracy.groups()} == calls.keys()


def test_a_mistake_is_corrected_in_past_transcripts_and_undone_as_one(
    ada, admin_client
):
    twice_corrected(ada)
    past_ones = [said(f"Number {n}: metaprolyla twice") for n in range(25)]
    verified = said("Metaprolyla again")
    editing.verify(verified, ada)
    [row] = suggestions()
    path = "/keyword-lists/suggestions/"

    typed = {"text": row.corrected}
    page = admin_client.post(f"{path}{row.pk}/apply/", typed, follow=True).text
    assert "Correcting 25 transcripts in the background" in page
    assert "0 of 25" in page
    assert past_transcripts.continue_batch()
    assert "20 of 25" in admin_client.get("/corrections/").text
    while past_transcripts.continue_batch():
        pass

    assert "25 of 25 transcripts corrected" in admin_client.get(path).text
    assert fresh(past_ones[7]).text == "Number 7: metoprolol twice"
    assert fresh(verified).text == "Metaprolyla again"
    batch = Batch.objects.get()
    # Simulate a killed worker: the batch starts again, but changes nothing twice.
    Batch.objects.update(done=0, finished_at=None)
    while past_transcripts.continue_batch():
        pass
    assert batch.revisions.count() == 25

    correct(past_ones[3], ada, (2, 3, "metropolis"))
    editing.verify(past_ones[4], ada)
    admin_client.post(f"/corrections/{batch.pk}/undo/")
    while past_transcripts.continue_batch():
        pass
    assert fresh(past_ones[7]).original_text is None
    assert fresh(past_ones[3]).text == "Number 3: metropolis twice"
    sentence = "but not in 2 transcripts that were verified or corrected again since"
    assert f"undone, {sentence}" in admin_client.get(path).text


def test_past_transcripts_are_corrected_after_the_term_was_added(ada, admin_client):
    clinic = Vocabulary.objects.create(name="Clinic")
    twice_corrected(ada)
    past = said("Number 1: metaprolyla twice")
    [row] = suggestions()
    path = f"/keyword-lists/suggestions/{row.pk}"
    added = {"what": "term", "text": "metoprolol", "vocabulary": clinic.pk}

    page = admin_client.post(f"{path}/settle/", added, follow=True).text
    assert f'action="{path}/apply/"' in page
    typed = {"text": " metoprolol  XR "}
    page = admin_client.post(f"{path}/apply/", typed, follow=True).text
    assert f'action="{path}/apply/"' not in page
    while past_transcripts.continue_batch():
        pass

    assert fresh(past).text == "Number 1: metoprolol XR twice"


def test_a_word_that_was_added_can_be_dismissed(ada, admin_client):
    twice_corrected(ada)
    Mistake.objects.update(is_settled=True, added_at=timezone.now())
    path = f"/keyword-lists/suggestions/{Mistake.objects.get().pk}"
    assert path in admin_client.get("/keyword-lists/suggestions/").text

    page = admin_client.post(f"{path}/settle/", {"what": "dismiss"}, follow=True).text

    assert path not in page


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "is empty"),
        ("\0", "control characters"),
        ("<b>no</b>", "plain text"),
        ("x" * 201, "at most 200 characters"),
    ],
)
def test_past_transcripts_are_not_corrected_to_an_invalid_text(
    ada, admin_client, typed, sentence
):
    twice_corrected(ada)
    said("Number 1: metaprolyla twice")
    path = f"/keyword-lists/suggestions/{Mistake.objects.get().pk}/apply/"

    page = admin_client.post(path, {"text": typed}, follow=True).text

    assert sentence in page
    assert not Batch.objects.exists()


def test_the_undo_of_a_batch_is_recorded_under_who_pressed_it(
    ada, admin_client, admin_user
):
    past = said("Number 1: metaprolyla twice")
    batch = past_transcripts.create_batch("metaprolyla", "metoprolol", ada)
    past_transcripts.continue_batch()

    admin_client.post(f"/corrections/{batch.pk}/undo/")
    past_transcripts.continue_batch()

    authors = [revision.author for revision in past.revisions.all()]
    assert authors == [ada, admin_user]
    logged = Access.objects.filter(action="corrected", row=past.pk).order_by("pk")
    assert [access.user for access in logged] == [ada, admin_user]


def test_a_transcript_that_is_deleted_in_admin_is_no_longer_counted(ada, admin_client):
    one, other = twice_corrected(ada)
    three = said("Take metaprolyla please.")
    correct(three, ada, (1, 2, "metoprolol"))
    three.recording.call = a_call(status="completed")
    three.recording.save()
    assert counted() == [("metaprolyla", "metoprolol", 3)]

    chosen = {"action": "delete_selected", "_selected_action": one.pk}
    for left, path, typed in [
        (2, "transcription/transcript/", chosen),
        (1, f"caller/recording/{other.recording_id}/delete/", {}),
        (0, f"caller/call/{three.recording.call_id}/delete/", {}),
    ]:
        admin_client.post(f"/admin/{path}", {"post": "yes", **typed})
        counts = Mistake.objects.values_list("transcripts", flat=True)
        assert list(counts) == ([left] if left else [])


def test_words_of_an_undone_correction_are_deleted_with_the_transcript(ada):
    row = said("Take metaprolyla please.")
    correct(row, ada, (1, 2, "metoprolol"))
    editing.undo(row, ada, 1)

    row.delete()

    assert not Mistake.objects.exists()


@needs_connections
@pytest.mark.sql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("deleted", [["heardb", "hearda"], ["heardb"]])
def test_a_save_and_a_deletion_of_transcripts_do_not_wait_for_each_other(ada, deleted):
    for word in deleted:
        correct(said(f"Take {word} please."), ada, (1, 2, "right"))
    Mistake.objects.get_or_create(heard="hearda", corrected="right")
    failed = []

    def delete():
        try:
            Transcript.objects.all().delete()
        except OperationalError as error:
            failed.append(error)
        connection.close()

    deletion = Thread(target=delete)
    with transaction.atomic():
        update_counts(set(), {("hearda", "right")})
        deletion.start()
        while deletion.is_alive() and not waits_for_lock():
            time.sleep(0.01)
        update_counts(set(), {("heardb", "right")})
    deletion.join()

    assert not failed
    assert counted() == [("hearda", "right", 1), ("heardb", "right", 1)]


def waits_for_lock():
    """Return whether another connection waits for this one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_locks "
            "WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        return cursor.fetchone()


def three_in_past(ada, monkeypatch):
    """Start a batch of three transcripts. A worker corrects one per lease."""
    monkeypatch.setattr(past_transcripts, "TRANSCRIPTS_PER_LEASE", 1)
    for number in range(3):
        said(f"Number {number}: metaprolyla twice")
    return past_transcripts.create_batch("metaprolyla", "metoprolol", ada)


def test_a_slow_worker_does_not_overwrite_the_progress_of_another(ada, monkeypatch):
    batch = three_in_past(ada, monkeypatch)
    correct_in = past_transcripts._correct_in

    def slow(*args):
        monkeypatch.setattr(past_transcripts, "_correct_in", correct_in)
        Batch.objects.update(leased_until=timezone.now() - timedelta(minutes=1))
        assert past_transcripts.continue_batch()
        assert past_transcripts.continue_batch()
        correct_in(*args)

    monkeypatch.setattr(past_transcripts, "_correct_in", slow)
    assert past_transcripts.continue_batch()

    batch.refresh_from_db()
    assert (batch.done, batch.leased_until, batch.revisions.count()) == (2, None, 2)


def test_a_worker_goes_on_from_what_another_stored_before_it_claimed(ada, monkeypatch):
    batch = three_in_past(ada, monkeypatch)
    others = [past_transcripts.continue_batch, past_transcripts.continue_batch]

    def others_first(execute, sql, *args):
        if sql.startswith("UPDATE") and others:
            others.pop()()
        return execute(sql, *args)

    with connection.execute_wrapper(others_first):
        assert past_transcripts.continue_batch()

    batch.refresh_from_db()
    assert (batch.done, batch.changed) == (3, 3)
    assert batch.finished_at
