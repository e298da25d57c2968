"""Scores, and corrections that a new transcript takes over from an older one."""

import random
import sys
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User

from tests.transcription.review.test_editing import correct, fresh, heard, listed
from tests.transcription.rows import JOB, advanced
from transcription.models import Score, Transcript, Vocabulary
from transcription.review import editing
from transcription.review.carry_over import place_changes, unplaced_changes
from transcription.review.current import Change
from transcription.review.scores import counts
from transcription.review.turns import turns_on_page
from transcription.words import Word

TERMS = ["metoprolol", "Siobhan Okafor", "Siobhan Murphy", "follow-up"]


@pytest.mark.parametrize(
    ("reference", "written", "expected"),
    [
        # expected: terms, right terms, false terms, words, wrong words
        ("Take metoprolol.", "take Metoprolol", (1, 1, 0, 2, 0)),
        ("Take metoprolol.", "Take metro pole.", (1, 0, 0, 2, 2)),
        ("Take it.", "Take metoprolol.", (0, 0, 1, 2, 1)),
        ("Ask Siobhan Okafor.", "Ask Siobhan Oka for.", (1, 0, 0, 3, 2)),
        ("Siobhan Okafor, metoprolol", "Siobhan Okafor metro", (2, 1, 0, 3, 1)),
        ("Her follow up is due.", "Her follow-up is due.", (1, 1, 0, 5, 0)),
        ("Take 20mg, five times.", "take 20 mg 5 times", (0, 0, 0, 5, 0)),
        ("The colour.", "The color", (0, 0, 0, 2, 0)),
        ("", "metoprolol", (0, 0, 1, 0, 1)),
        ("metoprolol metoprolol", "metoprolol", (2, 1, 0, 2, 1)),
        ("Ask Siobhan Okafor.", "Ask Siobhan Murphy.", (1, 0, 1, 3, 1)),
    ],
)
def test_terms_and_words_are_counted(reference, written, expected):
    assert counts(reference, written, TERMS, "en_us")[:5] == expected


@pytest.mark.parametrize(
    ("language", "reference", "written", "wrong"),
    [
        ("hi", "उन्होंने कहा की हिन्दी", "उन्होंने कहा की हिन्दी", 0),
        ("hi", "हिन्दी की", "हिन्दी का", 1),
        ("zh", "明天上午有会议。", "明天上午有会议", 0),
        ("pl", "Łódź jutro", "lodz Jutro.", 0),
    ],
)
def test_other_languages_are_compared_as_the_search_does(
    language, reference, written, wrong
):
    found = counts(reference, written, [], language)

    assert found.words_wrong == wrong
    assert found.normaliser == "djtranscribe search 1"


def words(text):
    return [
        Word(word, n, n + 1, None, "", " ", n) for n, word in enumerate(text.split())
    ]


def test_corrections_are_carried_over_only_to_matching_context():
    old = words("take metro pole twice and call the ward")
    new = words("please take metro pole twice and call a ward")
    changes = [Change(1, 3, "metoprolol"), Change(6, 7, "our"), Change(5, 6, "ring")]

    found = place_changes(old, sorted(changes), new)

    assert found.carried == [Change(2, 4, "metoprolol")]
    assert [(each.place, each.before) for each in found.open] == [
        (Change(6, 8, "ring"), "call"),
        (Change(7, 8, "our"), "the"),
    ]
    right = words("please take metoprolol twice and call a ward")
    assert place_changes(old, [Change(1, 3, "metoprolol")], right).satisfied


def test_a_carried_correction_is_never_on_another_word():
    chance = random.Random(5)
    for _ in range(2000):
        old = words(" ".join(chance.choices("abcd", k=12)))
        new = words(
            " ".join(chance.choices("abcd", k=12))
            if chance.random() < 0.5
            else " ".join(w.text for w in old if chance.random() < 0.8) or "a"
        )
        first = chance.randrange(11)
        change = Change(first, first + chance.randint(1, 2), "x")
        found = place_changes(old, [change], new)
        assert sum(map(len, found)) == 1
        for each in found.carried:
            replaced = [word.text for word in old[change.first : change.last]]
            assert [w.text for w in new[each.first : each.last]] == replaced


def again(vendors, old, text, **columns):
    """Create a queued transcript of the same recording. Its job has this text."""
    job = f"again-{Transcript.objects.count()}"
    new = Transcript.objects.create(
        recording=old.recording, status="queued", assemblyai_id=job, **columns
    )
    body = {"id": job, "status": "completed", "text": text, "words": listed(text)}
    path = f"{JOB.rpartition('/')[0]}/{job}"
    vendors.get(path, json={**body, "language_code": "en_us"})
    return new


@pytest.mark.django_db
def test_a_new_transcript_takes_corrections_over_and_is_scored(vendors):
    clinic = Vocabulary.objects.create(name="Clinic", terms="metoprolol\naspirin")
    ada = User.objects.create_user("ada")
    old = heard("Take metro pole and asper in, please.", language="en_us")
    correct(old, ada, (1, 3, "metoprolol"), (4, 6, "aspirin,"))
    editing.verify(old, ada)
    text = "Take metoprolol and asper in, please."
    new = advanced(again(vendors, old, text, vocabulary=clinic))

    assert fresh(new).text == "Take metoprolol and aspirin, please."
    assert fresh(new).original_text == text
    [carried] = turns_on_page(fresh(new))[0].corrections
    assert carried["who"] == "carry-over from an older transcript"
    scores = {s.transcript_id: s for s in Score.objects.all()}
    assert (scores[old.pk].terms_right, scores[old.pk].terms) == (0, 2)
    assert (scores[new.pk].terms_right, scores[new.pk].words_wrong) == (1, 2)
    assert unplaced_changes(new) == []

    editing.reopen(old, ada)
    assert not Score.objects.exists()
    correct(old, ada, (0, 1, "Give"))
    assert [each.after for each in unplaced_changes(new)] == ["Give"]


@pytest.fixture
def verified(django_user_model):
    """Make a verified transcript whose text is `Take metoprolol.`"""
    ada = django_user_model.objects.create_user("ada")
    transcript = heard("Take metro pole.")
    correct(transcript, ada, (1, 3, "metoprolol."))
    editing.verify(transcript, ada)
    return transcript


@pytest.mark.django_db
@pytest.mark.parametrize(
    "killed_in",
    [
        "transcription.review.editing.save",
        "transcription.review.scores.counts",
    ],
)
def test_a_worker_that_dies_while_it_takes_corrections_over_is_followed_by_another(
    vendors, verified, monkeypatch, killed_in
):
    new = again(vendors, verified, "Take metro pole.")

    with monkeypatch.context() as patched:
        patched.setattr(killed_in, lambda *_, **__: sys.exit())
        with pytest.raises(SystemExit):
            advanced(new)
    new.refresh_from_db()
    status_then = new.status
    Transcript.objects.filter(pk=new.pk).update(lease=None, leased_until=None)
    advanced(new)

    assert status_then == "queued"
    assert (new.status, new.text) == ("completed", "Take metoprolol.")
    assert Score.objects.filter(transcript=new).exists()


@pytest.mark.django_db
def test_an_error_while_scoring_does_not_lose_the_text(
    vendors, verified, monkeypatch, caplog
):
    monkeypatch.setattr(
        "transcription.review.scores.counts", Mock(side_effect=ValueError("broken"))
    )

    new = advanced(again(vendors, verified, "Take metro pole."))

    assert (new.status, new.text) == ("completed", "Take metoprolol.")
    assert "not_scored error=ValueError" in caplog.text


@pytest.mark.django_db
def test_corrections_that_cannot_be_taken_over_are_left_to_a_person(
    vendors, django_user_model, monkeypatch
):
    ada = django_user_model.objects.create_user("ada")
    old = heard("Take metro pole and asper in.")
    correct(old, ada, (1, 3, "metoprolol"), (4, 6, "aspirin."))
    monkeypatch.setattr("transcription.review.rules.MAX_CHANGES", 1)

    new = advanced(again(vendors, old, "Take metro pole and asper in."))

    assert (new.status, new.revision) == ("completed", None)
    assert [each.after for each in unplaced_changes(new)] == ["metoprolol", "aspirin."]


@pytest.mark.django_db
def test_corrections_come_from_the_newest_transcript_that_has_any(
    vendors, django_user_model
):
    ada = django_user_model.objects.create_user("ada")
    old = heard("Take metro pole.")
    correct(old, ada, (1, 3, "metoprolol."))
    right = heard("Take metoprolol.", recording=old.recording, assemblyai_id="right")
    editing.verify(right, ada)

    new = advanced(again(vendors, old, "Take metro pole."))

    assert new.text == "Take metoprolol."


@pytest.mark.django_db
def test_a_third_transcript_takes_corrections_of_both_older_ones_over(
    vendors, django_user_model
):
    ada = django_user_model.objects.create_user("ada")
    first = heard("Take metro pole and asper in with mill. Call the ward. See bob on.")
    correct(first, ada, (1, 3, "metoprolol"), (4, 6, "aspirin"), (7, 8, "milk."))
    correct(first, ada, (9, 10, "our"), (12, 14, "Bob Stone."))
    editing.verify(first, ada)
    text = "Take metro pole and aspirin with mill. Ring the ward. See bop."
    second = advanced(again(vendors, first, text))
    correct(second, ada, (1, 3, "Toprol"), (6, 7, "water."))

    text = "Take metro pole and asper in with mill. Ring the ward. See bob on."
    third = advanced(again(vendors, first, text))

    assert fresh(third).text == (
        "Take Toprol and aspirin with water. Ring the ward. See Bob Stone."
    )
    assert [each.after for each in unplaced_changes(third)] == ["our"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("Take my to pro all twice a day.", (1, 5, "metoprolol")),
        ("Please metro pal twice a day.", (0, 3, "Take metoprolol")),
        ("Take twice a day.", (0, 1, "Take metoprolol")),
        ("Take twice a day.", (1, 2, "metoprolol twice")),
    ],
)
def test_a_correction_is_not_left_open_once_a_person_has_made_it(
    vendors, django_user_model, text, change
):
    ada = django_user_model.objects.create_user("ada")
    old = heard("Take metro pole twice a day.")
    correct(old, ada, (1, 3, "metoprolol"), (5, 6, "week."))
    new = advanced(again(vendors, old, text.replace("day", "month")))
    before = [each.after for each in unplaced_changes(new)]

    correct(new, ada, change)

    assert before == ["metoprolol", "week."]
    assert [each.after for each in unplaced_changes(fresh(new))] == ["week."]


@pytest.mark.django_db
def test_corrections_to_check_are_listed_with_their_time_and_the_text_before(
    vendors, admin_client, django_user_model
):
    ada = django_user_model.objects.create_user("ada")
    old = heard("Take metro pole um twice a day.")
    correct(old, ada, (1, 3, "metoprolol"), (3, 4, ""), (4, 5, "twice"))
    new = advanced(again(vendors, old, "Tape my petrol hum wise every day."))

    page = admin_client.get(f"/transcripts/{new.uuid}/compare/").text

    link = f'<a href="{new.get_absolute_url()}#t={{}}">0:0{{}}</a>'
    assert f"{link.format(0.5, 0)} “metro pole” → “metoprolol”</li>" in page
    assert f"{link.format(1.5, 1)} “um” → removed</li>" in page
    assert page.count("→") == 2


@pytest.mark.django_db
def test_two_transcripts_are_compared_on_a_page(admin_client):
    clinic = Vocabulary.objects.create(name="Clinic", terms="metoprolol")
    old = heard("Take metro pole.", language="en_us")
    page = f"/transcripts/{old.uuid}"
    assert "no other completed transcript" in admin_client.get(f"{page}/compare/").text

    made = admin_client.post(f"{page}/again/", {"vocabulary": clinic.pk})
    new = Transcript.objects.latest("pk")
    assert made.url == new.get_absolute_url()
    assert (new.vocabulary, new.status) == (clinic, "pending")
    assert admin_client.post(f"{page}/again/", {"vocabulary": "9"}).status_code == 400

    text = "Take metoprolol."
    Transcript.objects.filter(pk=new.pk).update(status="completed", text=text)
    admin_client.post(f"/transcripts/{new.uuid}/verify/", {"revision": 0})
    answer = admin_client.get(f"/transcripts/{new.uuid}/compare/").text
    assert "<del>metro pole.</del> <ins>metoprolol.</ins>" in answer
    assert "<b>0 of 1</b>" in answer
    assert "<b>1 of 1</b>" in answer
    transcript_page = admin_client.get(new.get_absolute_url()).text
    assert "1 of 1 terms right" in transcript_page
