"""Admin for operators: they can read transcripts and start actions, but not edit."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from caller.models import Recording
from tests.caller.rows import CALL_SID, NUMBER, a_call, a_recording
from tests.transcription.rows import AUDIO_URL, a_transcript
from transcription.models import Transcript, Vocabulary

pytestmark = pytest.mark.django_db

ADMIN = "/admin/transcription/transcript/"
LISTS = "/admin/transcription/vocabulary/"


@pytest.fixture
def may(browser, operator):
    """Return a function that gives the operator more permissions."""

    def give(*codenames):
        given = Permission.objects.filter(codename__in=codenames)
        operator.user_permissions.add(*given)
        return browser

    return give


def a_finished_one(**columns):
    recording = columns.pop("recording", None) or a_recording(
        call=a_call(sid=CALL_SID, status="completed")
    )
    return a_transcript(
        "completed",
        **{
            "recording": recording,
            "text": "Please call <the> ward.",
            "confidence": 0.952,
            "response": {"id": "x", "language_code": "en_us"},
            "request": {"audio_url": "https://…"},
            "next_attempt_at": None,
            **columns,
        },
    )


def messages_of(answer):
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def test_the_list_shows_text_confidence_and_state(browser):
    a_finished_one(text="Please call. " * 20)

    page = browser.get(ADMIN)

    assert "+1 415-555-1234" in page.text
    assert "Please call. Please" in page.text
    assert "…" in page.text
    assert "95%" in page.text


def test_the_page_of_a_transcript_has_text_player_call_and_answer(browser):
    transcript = a_finished_one()

    page = browser.get(f"{ADMIN}{transcript.pk}/change/")

    assert "Please call &lt;the&gt; ward." in page.text
    assert transcript.recording.audio_url in page.text
    assert f"/admin/caller/call/{transcript.recording.call_id}/change/" in page.text
    assert "language_code</th><td>en_us</td>" in page.text
    assert transcript.get_absolute_url() == f"{ADMIN}{transcript.pk}/change/"


@pytest.mark.parametrize(
    ("status", "columns", "sentence"),
    [
        ("pending", {}, "This transcript is not finished: Waiting for the audio."),
        ("completed", {}, "Nobody spoke in this recording."),
        ("error", {"error": "Too short."}, "Too short."),
    ],
)
def test_the_page_of_a_transcript_without_text_says_why(
    browser, status, columns, sentence
):
    transcript = a_transcript(status, **columns)

    page = browser.get(f"{ADMIN}{transcript.pk}/change/")
    listed = browser.get(ADMIN)

    assert sentence in page.text
    assert listed.status_code == 200


@pytest.mark.parametrize(
    "term",
    ["ward", NUMBER, "14155551234", "415", "00000000-0000-4000-8000-0000000000aa"],
)
def test_a_transcript_is_found_by_its_words_its_number_and_its_id(browser, term):
    transcript = a_finished_one()

    page = browser.get(ADMIN, {"q": term})

    assert f"{ADMIN}{transcript.pk}/change/" in page.text


def test_a_transcript_that_does_not_match_is_not_found(browser):
    transcript = a_finished_one()

    page = browser.get(ADMIN, {"q": "pharmacy"})

    assert f"{ADMIN}{transcript.pk}/change/" not in page.text


@pytest.mark.parametrize("filtered", ["status__exact=completed", "error_class=", "x=y"])
def test_filters_return_200(browser, filtered):
    a_finished_one()

    page = browser.get(f"{ADMIN}?{filtered}", follow=True)

    assert page.status_code == 200


def test_transcript_cannot_be_edited_or_added_in_admin(admin_client):
    transcript = a_finished_one()

    page = admin_client.get(f"{ADMIN}{transcript.pk}/change/")
    edit = admin_client.post(
        f"{ADMIN}{transcript.pk}/change/", {"text": "Forged.", "status": "pending"}
    )
    add = admin_client.get(f"{ADMIN}add/")

    transcript.refresh_from_db()
    assert 'name="_save"' not in page.text
    assert (edit.status_code, add.status_code) == (403, 403)
    assert transcript.text == "Please call <the> ward."


@pytest.mark.parametrize("path", [ADMIN, LISTS])
def test_the_list_needs_the_permission_to_see_it(client, django_user_model, path):
    client.force_login(django_user_model.objects.create_user("nobody", is_staff=True))

    assert client.get(path).status_code == 403


def test_the_list_costs_the_same_queries_however_long_it_is(
    browser, django_assert_num_queries, django_assert_max_num_queries
):
    def fill(count):
        for _ in range(count):
            number = Transcript.objects.count()
            call = a_call(other_number=f"+4420794601{number:02}", sid=f"CA{number:032}")
            recording = a_recording(call=call, sid=f"RE{number:032}")
            words = Vocabulary.objects.create(name=str(number))
            a_finished_one(
                recording=recording, assemblyai_id=str(number), vocabulary=words
            )

    fill(2)
    browser.get(ADMIN)
    with django_assert_max_num_queries(25) as few:
        browser.get(ADMIN)
    queries = len(few)
    fill(20)
    # The first view adds rows to the access log. Measure the second view.
    browser.get(ADMIN)

    with django_assert_num_queries(queries):
        page = browser.get(ADMIN)

    assert page.text.count("+44 20 7946 01") >= 22


# Actions


def long_ago():
    return timezone.now() - timedelta(hours=24)


def act(browser, action, *rows):
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return browser.post(ADMIN, chosen)


def test_transcribe_again_makes_a_new_one_and_keeps_the_old(may):
    words = Vocabulary.objects.create(name="Cardiology")
    old = a_finished_one(vocabulary=words)

    answer = act(may("add_transcript"), "transcribe_again", old)

    new = Transcript.objects.exclude(pk=old.pk).get()
    old.refresh_from_db()
    assert (new.status, new.recording, new.vocabulary) == (
        "pending",
        old.recording,
        words,
    )
    assert old.text == "Please call <the> ward."
    assert "Started 1 new transcript." in messages_of(answer)


def test_a_double_click_on_transcribe_again_starts_one(may):
    words = Vocabulary.objects.create(name="Cardiology")
    old = a_finished_one(vocabulary=words)
    browser = may("add_transcript")

    act(browser, "transcribe_again", old)
    answer = act(browser, "transcribe_again", old)
    form = {"vocabulary": words.pk}
    page = browser.post(f"/transcripts/{old.uuid}/again/", form)

    new = Transcript.objects.exclude(pk=old.pk).get()
    assert page["Location"] == new.get_absolute_url()
    assert "Skipped 1 recording: it is being transcribed already." in messages_of(
        answer
    )
    Transcript.objects.filter(pk=new.pk).update(status="queued", vocabulary_version=1)
    words.terms = "metoprolol"
    words.save()
    # The same form starts a transcript, because the keyword list has changed.
    browser.post(f"/transcripts/{old.uuid}/again/", form)
    # A form without a keyword list also starts a transcript.
    browser.post(f"/transcripts/{old.uuid}/again/", {"vocabulary": ""})
    assert Transcript.objects.count() == 4


def test_automatic_uses_the_keyword_list_that_was_chosen_when_dialling(may):
    Vocabulary.objects.create(name="House", is_default=True)
    words = Vocabulary.objects.create(name="Cardiology")
    call = a_call(sid=CALL_SID, status="completed", vocabulary=words)
    old = a_finished_one(recording=a_recording(call=call), vocabulary=words)
    browser = may("add_transcript")

    page = browser.get(old.get_absolute_url()).text
    browser.post(f"/transcripts/{old.uuid}/again/", {"vocabulary": ""})

    assert f'<option value="{words.pk}" selected>Cardiology</option>' in page
    assert Transcript.objects.exclude(pk=old.pk).get().vocabulary == words


def test_a_recording_without_audio_is_not_transcribed_again(may):
    old = a_finished_one()
    Recording.objects.update(audio="", audio_deleted_at=timezone.now())
    browser = may("add_transcript")

    answer = act(browser, "transcribe_again", old)
    page = browser.post(f"/transcripts/{old.uuid}/again/")

    assert messages_of(answer) == "Skipped 1 recording: the audio was deleted."
    assert "The audio was deleted" in messages_of(page)
    assert Transcript.objects.get() == old


def test_refresh_now_makes_waiting_rows_due_and_counts_the_finished(
    may, django_capture_on_commit_callbacks
):
    done = a_finished_one()
    later = timezone.now() + timedelta(hours=1)
    waiting = a_transcript(
        "queued", recording=done.recording, assemblyai_id="w", next_attempt_at=later
    )

    with django_capture_on_commit_callbacks() as messages:
        answer = act(may("add_transcript"), "refresh_now", done, waiting)

    waiting.refresh_from_db()
    assert waiting.next_attempt_at <= timezone.now()
    assert len(messages) == 1
    assert "Resumed 1 transcript. Skipped: 1 that had finished." in messages_of(answer)


@pytest.mark.parametrize(
    ("action", "status"), [("try_again", "error"), ("refresh_now", "pending")]
)
def test_actions_keep_a_back_fill_behind_todays_calls(
    may, django_capture_on_commit_callbacks, action, status
):
    old = a_transcript(status, priority=-50)

    with django_capture_on_commit_callbacks(execute=True):
        act(may("add_transcript"), action, old)

    assert DBTaskResult.objects.get().priority == -50


def test_refresh_now_message_mentions_no_skipped_rows_if_there_are_none(may):
    waiting = a_transcript("queued")

    answer = act(may("add_transcript"), "refresh_now", waiting)

    assert messages_of(answer) == "Resumed 1 transcript."


@pytest.mark.parametrize("action", ["transcribe_again", "refresh_now"])
def test_actions_require_more_than_read_permission(browser, action):
    old = a_finished_one()

    page = browser.get(ADMIN)
    act(browser, action, old)

    assert action not in page.text
    assert Transcript.objects.count() == 1


# Keyword lists


def save(browser, **fields):
    return browser.post(f"{LISTS}add/", {"name": "Cardiology", **fields})


def test_a_keyword_list_is_kept_and_counted(may):
    browser = may("add_vocabulary", "view_vocabulary", "change_vocabulary")

    save(browser, terms="metoprolol\nheart failure", custom_spellings="e c g = ECG")
    page = browser.get(LISTS)

    assert Vocabulary.objects.get().name == "Cardiology"
    assert re.search(r'<td [^>]*class="field-number_of_terms">2</td>', page.text)


def test_saving_a_list_warns_about_ignored_terms(may):
    browser = may("add_vocabulary", "view_vocabulary")

    answer = save(browser, terms="ECG\nmetoprolol")

    assert "ECG" in messages_of(answer)
    assert Vocabulary.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"terms": "one two three four five six seven"}, "has 7 words"),
        ({"custom_spellings": "ECG"}, "is not a valid spelling"),
        ({"is_default": "on"}, "Another list is already the default"),
    ],
)
def test_a_list_that_assemblyai_would_refuse_is_not_saved(may, fields, sentence):
    Vocabulary.objects.create(name="House", is_default=True)

    page = save(may("add_vocabulary"), **fields)

    assert sentence in page.text
    assert Vocabulary.objects.count() == 1


@pytest.mark.parametrize(
    ("columns", "goes_on_at"),
    [
        ({}, "pending"),
        ({"audio_url": AUDIO_URL, "uploaded_at": timezone.now}, "uploaded"),
        ({"audio_url": AUDIO_URL, "uploaded_at": long_ago}, "pending"),
        ({"assemblyai_id": "over", "response": {"status": "error"}}, "fetched"),
        # The job may have a result: read it.
        ({"assemblyai_id": "a job"}, "queued"),
        # AssemblyAI may have a job: search for it.
        ({"audio_url": AUDIO_URL, "submitted_at": timezone.now}, "lost"),
    ],
)
def test_try_again_goes_on_where_it_failed(may, columns, goes_on_at):
    columns = {name: v() if callable(v) else v for name, v in columns.items()}
    done = a_finished_one()
    failed = a_transcript("pending", recording=done.recording, **columns)
    Transcript.objects.filter(pk=failed.pk).update(status="error", error="Gone.")

    answer = act(may("add_transcript"), "try_again", failed, done)

    failed.refresh_from_db()
    done.refresh_from_db()
    assert (failed.status, failed.error) == (goes_on_at, "")
    assert failed.next_attempt_at is not None
    assert done.status == "completed"
    assert "Retrying 1 transcript. Skipped: 1 that had not failed." in messages_of(
        answer
    )
