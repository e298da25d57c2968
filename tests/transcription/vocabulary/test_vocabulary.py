"""Keyword lists, held against AssemblyAI's rules before they are sent."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from transcription.assemblyai.keyterms import spellings_of, terms_of, warnings_for
from transcription.models import Vocabulary

pytestmark = pytest.mark.django_db


def validated(**columns):
    vocabulary = Vocabulary(name="Cardiology", **columns)
    vocabulary.full_clean()
    return vocabulary


def test_terms_are_read_one_a_line_in_order_without_blanks_and_doubles():
    assert terms_of(" b \r\n\n a  c\nb\n\t\n") == ["b", "a c"]


def test_a_term_has_at_most_six_words():
    validated(terms="one two three four five six")

    with pytest.raises(ValidationError, match="has 7 words"):
        validated(terms="fine\none two three four five six seven")


def test_a_list_has_at_most_a_thousand_words_of_which_each_counts():
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
def test_what_the_fallback_model_ignores_is_said(terms, fragment):
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
def test_only_the_limits_of_the_models_that_are_set_are_warned_of(
    settings, models, fragments
):
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

    with pytest.raises(ValidationError, match="Another list is the default already"):
        validated(is_default=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        Vocabulary.objects.create(name="Other", is_default=True)


def test_names_are_unique():
    Vocabulary.objects.create(name="Cardiology")

    with pytest.raises(ValidationError, match="already exists"):
        validated()
