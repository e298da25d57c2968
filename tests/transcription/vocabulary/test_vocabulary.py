"""Keyword lists are checked against AssemblyAI's rules before they are sent."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction

from tests.transcription.rows import a_transcript, advanced, answers_well
from transcription.assemblyai.keyterms import spellings_of, terms_of, warnings_for
from transcription.models import Mistake, Vocabulary
from transcription.vocabulary.files import terms_in

pytestmark = [pytest.mark.django_db, pytest.mark.quick]


def validated(**columns):
    vocabulary = Vocabulary(name="Cardiology", **columns)
    vocabulary.full_clean()
    return vocabulary


def test_terms_are_read_line_by_line_without_blanks_or_duplicates():
    assert terms_of(" b \r\n\n a  c\nb\n\t\n") == ["b", "a c"]


def test_a_term_has_at_most_six_words():
    validated(terms="one two three four five six")

    with pytest.raises(ValidationError, match="has 7 words"):
        validated(terms="fine\none two three four five six seven")


def test_list_has_at_most_a_thousand_words():
    validated(terms="\n".join(f"a{n} b{n}" for n in range(500)))

    with pytest.raises(ValidationError, match="1002 words"):
        validated(terms="\n".join(f"a{n} b{n}" for n in range(501)))


def test_every_wrong_term_is_named():
    long = " ".join("abcdefg")

    with pytest.raises(ValidationError) as error:
        validated(terms=f"1 {long}\n2 {long}")

    assert len(error.value.messages) == 2


@pytest.mark.parametrize(
    ("terms", "fragment"),
    [
        ("ECG\nmetoprolol", "ignores terms under 5 or over 50 characters: ECG"),
        ("x" * 51, "ignores"),
        ("\n".join(f"a{n}" for n in range(7)), "a4, …"),
        ("\n".join(f"term {n}" for n in range(201)), "at most 200 terms"),
    ],
)
def test_terms_that_the_fallback_model_ignores_cause_a_warning(terms, fragment):
    assert fragment in " ".join(warnings_for(terms))


@pytest.mark.parametrize(
    "terms",
    ["", "metoprolol", "x" * 50, "12345", "\n".join(f"t {n:03}" for n in range(200))],
)
def test_a_list_without_such_terms_gets_no_warning(terms):
    assert warnings_for(terms) == []


@pytest.mark.parametrize(
    ("models", "fragments"),
    [
        (["assemblyai-stt-3-7"], []),
        (["universal-3-5-pro"], []),
        (["a-model-of-tomorrow"], []),
        (["universal-2"], ["universal-2, the first model, ignores", "at most 200"]),
        (
            ["assemblyai-stt-3-7", "universal-2"],
            ["universal-2, the fallback model, ignores", "at most 200"],
        ),
    ],
)
def test_warnings_cover_only_the_configured_models(settings, models, fragments):
    settings.SPEECH_MODELS = models

    warnings = warnings_for("ECG\n" + "\n".join(f"term {n}" for n in range(200)))

    assert len(warnings) == len(fragments)
    for warning, fragment in zip(warnings, fragments, strict=True):
        assert fragment in warning


def test_spellings_are_read_one_a_line():
    text = "k 8 s,  kubernetes = Kubernetes\n\n e c g=ECG \n"

    assert spellings_of(text) == [
        {"from": ["k 8 s", "kubernetes"], "to": "Kubernetes"},
        {"from": ["e c g"], "to": "ECG"},
    ]


@pytest.mark.parametrize(
    "line", ["ECG", "= ECG", "e c g =", "=", ", = ECG", "e c g = the ECG", "a = b c"]
)
def test_a_spelling_that_cannot_be_read_is_named(line):
    with pytest.raises(ValidationError, match="“"):
        validated(custom_spellings=f"fine = Fine\n{line}")


def test_one_list_at_most_is_the_default():
    Vocabulary.objects.create(name="House", is_default=True)

    with pytest.raises(ValidationError, match="Another list is already the default"):
        validated(is_default=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        Vocabulary.objects.create(name="Other", is_default=True)


def test_names_are_unique():
    Vocabulary.objects.create(name="Cardiology")

    with pytest.raises(ValidationError, match="already exists"):
        validated()


def test_change_of_a_sent_field_creates_a_new_version(vendors):
    clinic = Vocabulary.objects.create(name="Clinic", terms="metoprolol")
    clinic.notes = "not sent"
    clinic.save()
    assert clinic.version == 1
    clinic.terms, clinic.prompt, clinic.domain = "aspirin", "A clinic.", "medical-v1"
    clinic.save()
    answers_well(vendors)

    transcript = advanced(a_transcript("uploaded", vocabulary=clinic))

    assert transcript.vocabulary_version == 2
    sent = transcript.request
    assert (sent["prompt"], sent["domain"]) == ("A clinic.", "medical-v1")
    assert sent["keyterms_prompt"] == ["aspirin"]
    old = clinic.versions.get(number=1)
    assert (old.terms, old.prompt) == ("metoprolol", "")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+14155551234", "San Francisco"),
        ("+12125551234", "America"),
        ("+4930123456", "Germany"),
        ("+33123456789", "Default"),
        ("", "Default"),
    ],
)
def test_a_list_is_chosen_by_number_then_by_country_then_by_default(number, expected):
    for name, numbers in [
        ("Default", ""),
        ("Germany", "DE\nAT"),
        ("America", "US"),
        ("San Francisco", "+1415\n+1628"),
    ]:
        Vocabulary.objects.create(
            name=name, numbers=numbers, is_default=name == "Default"
        )

    assert Vocabulary.objects.find_for_number(number).name == expected


@pytest.mark.parametrize("numbers", ["Germany", "de", "0049", "+", "+0", "+1 415"])
def test_invalid_country_or_number_is_refused(numbers):
    with pytest.raises(ValidationError, match="two capital letters"):
        validated(numbers=numbers)


def saved_in_admin(client, **typed):
    inline = {"versions-TOTAL_FORMS": 0, "versions-INITIAL_FORMS": 0}
    return client.post(
        "/admin/transcription/vocabulary/add/", {"name": "Clinic", **inline, **typed}
    )


@pytest.mark.parametrize(
    ("name", "content", "terms"),
    [
        (
            "terms.txt",
            "aspirin\r\n\r\nSiobhan Okafor\n",
            "old\naspirin\nSiobhan Okafor",
        ),
        ("terms.csv", '\ufeffTerm,note\naspirin,x\n"a, b",y\n', "old\naspirin\na, b"),
    ],
)
def test_terms_can_be_imported_from_and_exported_to_a_file(
    admin_client, name, content, terms
):
    file = SimpleUploadedFile(name, content.encode())

    assert saved_in_admin(admin_client, terms="old", file=file).status_code == 302

    saved = Vocabulary.objects.get()
    assert saved.terms == terms
    assert saved.versions.get().author.username == "admin"
    extension = name.rpartition(".")[2]
    exported = admin_client.get(f"/keyword-lists/{saved.pk}/terms.{extension}")
    assert terms_in(name, exported.content) == terms.split("\n")


def test_two_saves_of_the_same_change_make_one_version():
    clinic = Vocabulary.objects.create(name="Clinic")
    for row in [Vocabulary.objects.get(), Vocabulary.objects.get()]:
        row.terms = "aspirin"
        row.save()
    clinic.refresh_from_db()

    clinic.terms = "metoprolol"
    clinic.save()

    assert list(clinic.versions.values_list("number", flat=True)) == [3, 2, 1]


def test_a_version_keeps_the_author_of_its_change(admin_client, client):
    bob = User.objects.create_user("bob", is_staff=True)
    bob.groups.add(Group.objects.get(name="Supervisors"))
    client.force_login(bob)
    saved_in_admin(admin_client, terms="aspirin")
    clinic = Vocabulary.objects.get()
    mistake = Mistake.objects.create(heard="metaprolyla", corrected="metoprolol")
    client.post(
        f"/keyword-lists/suggestions/{mistake.pk}/settle/",
        {"vocabulary": clinic.pk, "what": "term", "text": "metoprolol"},
    )
    changed = {
        "name": "Clinic",
        "terms": "aspirin\r\nmetoprolol",
        "notes": "not sent",
        "versions-TOTAL_FORMS": 0,
        "versions-INITIAL_FORMS": 0,
    }
    path = f"/admin/transcription/vocabulary/{clinic.pk}/change/"

    assert admin_client.post(path, changed).status_code == 302

    authors = clinic.versions.values_list("number", "author__username")
    assert list(authors) == [(2, "bob"), (1, "admin")]
    assert "Clinic, version 2" in client.get(path).text


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b", b"x" * 300_000])
def test_a_file_that_is_no_list_is_refused_on_the_page(admin_client, content):
    file = SimpleUploadedFile("terms.txt", content)

    assert saved_in_admin(admin_client, file=file).status_code == 200
    assert not Vocabulary.objects.exists()


def test_a_list_is_checked_while_it_is_typed(admin_client):
    answer = admin_client.post("/keyword-lists/check/", {"terms": "ECG\nmetoprolol"})

    assert "2 terms, 2 of at most 1,000 words" in answer.text
    assert "ignores terms under 5 or over 50 characters: ECG" in answer.text
    long = admin_client.post("/keyword-lists/check/", {"terms": "a b c d e f g"})
    assert "has 7 words" in long.text
