"""The sentences that Twilio speaks: language, voice, and warnings about settings."""

from xml.etree import ElementTree

import pytest

from caller import checks
from caller.models import Call
from caller.twilio.sentences import TRANSLATIONS
from tests.caller.rows import a_call, record_path
from tests.data import load

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_is_set(settings):
    settings.RECORDING_NOTICE = ""


@pytest.fixture
def sentences(signed_post):
    """Return a function that gets (language, voice, text) of each `<Say>` in a call."""

    def ask():
        call = a_call()
        paths = [record_path(call), f"/record/done/?call={call.uuid}"]
        said = []
        for path in paths:
            answer = signed_post(path, load("twilio/twiml-request"))
            said += ElementTree.fromstring(answer.content).iter("Say")
        return [(say.get("language"), say.get("voice"), say.text) for say in said]

    return ask


@pytest.mark.parametrize(
    ("code", "language", "begins"),
    [
        ("en_us", "en-US", "Hello."),
        ("en_uk", "en-GB", "Hello."),
        ("en", "en-US", "Hello."),
        ("detect", "en-US", "Hello."),
        ("de", "de-DE", "Guten Tag."),
        # AssemblyAI knows Swiss German, but Twilio does not. So Twilio speaks German.
        ("de_ch", "de-DE", "Guten Tag."),
        ("es", "es-ES", "Hola."),
        ("fr", "fr-FR", "Bonjour."),
        ("it", "it-IT", "Buongiorno."),
        ("nl", "nl-NL", "Hallo."),
        ("pl", "pl-PL", "Dzień dobry."),
        ("pt", "pt-BR", "Olá."),
    ],
)
def test_every_sentence_is_in_the_language_of_the_calls(
    settings, sentences, code, language, begins
):
    settings.SPEECH_LANGUAGE_CODE = code

    said = sentences()

    assert {each[0] for each in said} == {language}
    assert said[0][2].startswith(begins)
    english = TRANSLATIONS["en"]
    if not language.startswith("en"):
        texts = {text for _, _, text in said}
        assert not texts & {english.notice, english.nothing_heard, english.goodbye}
    assert Call.objects.get().notice == said[0][2]
    assert not checks.check_spoken_language()


def test_the_settings_win_and_the_voice_speaks_all_of_it(settings, sentences):
    settings.SPEECH_LANGUAGE_CODE = "de"
    settings.SAY_LANGUAGE = "de-AT"
    settings.SAY_VOICE = "Polly.Hannah-Neural"
    settings.RECORDING_NOTICE = "Servus. Wir nehmen auf."
    settings.SAY_NOTHING_HEARD = "Nix gehört."
    settings.SAY_GOODBYE = "Pfiat di."

    assert sentences() == [
        ("de-AT", "Polly.Hannah-Neural", "Servus. Wir nehmen auf."),
        ("de-AT", "Polly.Hannah-Neural", "Nix gehört."),
        ("de-AT", "Polly.Hannah-Neural", "Pfiat di."),
    ]
    assert not checks.check_spoken_language()


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("uk", "uk-UA"),
        ("zh", "cmn-CN"),
        ("ja", "ja-JP"),
        ("no", "nb-NO"),
        ("nn", "nb-NO"),
        ("arb", "arb"),
    ],
)
def test_without_a_translation_english_is_spoken_by_an_english_voice(
    settings, sentences, code, language
):
    settings.SPEECH_LANGUAGE_CODE = code
    settings.SAY_VOICE = "Polly.New-Neural"
    settings.RECORDING_NOTICE = "…"

    notice, *others = sentences()

    assert notice == (language, "Polly.New-Neural", "…")
    assert {each[:2] for each in others} == {("en-US", None)}
    (warning,) = checks.check_spoken_language()
    assert warning.id == "caller.W012"
    assert "SAY_NOTHING_HEARD, SAY_GOODBYE" in warning.hint
    assert "RECORDING_NOTICE" not in warning.hint
    assert "operators" in warning.hint


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"SPEECH_LANGUAGE_CODE": "sw"}, "caller.W011"),
        ({"SPEECH_LANGUAGE_CODE": "haw"}, "caller.W011"),
        ({"SAY_LANGUAGE": "de"}, "caller.W011"),
        ({"SAY_LANGUAGE": "klingon"}, "caller.W011"),
        ({"SAY_VOICE": "Siri"}, "caller.W013"),
        ({"SAY_VOICE": "polly.Joanna"}, "caller.W013"),
        ({"SAY_LANGUAGE": "de-CH"}, "caller.W011"),
        ({"SAY_VOICE": "Google.de-DE-Standard-A"}, "caller.W013"),
        ({"SPEECH_LANGUAGE_CODE": "de", "SAY_VOICE": "Polly.Joanna"}, "caller.W013"),
        (
            {"SPEECH_LANGUAGE_CODE": "pt", "SAY_VOICE": "Polly.Lucia-Neural"},
            "caller.W013",
        ),
        ({"SAY_LANGUAGE": "en-AU", "SAY_VOICE": "man"}, "caller.W013"),
        ({"SPEECH_LANGUAGE_CODE": "nl", "SAY_VOICE": "woman"}, "caller.W013"),
    ],
)
def test_unsupported_language_or_voice_is_only_a_warning(
    settings, sentences, changes, problem
):
    for name, value in changes.items():
        setattr(settings, name, value)

    assert [each.id for each in checks.check_spoken_language()] == [problem]
    assert len(sentences()) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"SAY_VOICE": "Google.en-US-Standard-A"},
        {"SAY_VOICE": "Polly.Joanna-Neural"},
        {"SAY_VOICE": "man"},
        {"SAY_LANGUAGE": "en-GB-WLS", "SAY_VOICE": "Polly.Geraint"},
        # Twilio's documentation has this example, although the voice is American.
        {"SAY_LANGUAGE": "en-GB", "SAY_VOICE": "Polly.Joanna"},
        {"SAY_LANGUAGE": "fr-FR", "SAY_VOICE": "Polly.Rémi-Generative"},
        {"SAY_LANGUAGE": "es-MX", "SAY_VOICE": "Polly.Mía-Generative"},
        {"SAY_VOICE": "Polly.NotYetInOurList"},
    ],
)
def test_voices_of_twilio_are_no_warning(settings, changes):
    for name, value in changes.items():
        setattr(settings, name, value)

    assert not checks.check_spoken_language()
