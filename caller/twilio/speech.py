"""Choose the sentence that Twilio speaks, and its language and voice.

The translations are in sentences.py. Twilio's languages and voices are in voices.py.
"""

from dataclasses import dataclass

from django.conf import settings

from caller.twilio.sentences import TRANSLATIONS
from caller.twilio.voices import ENGLISH, base, locale_of

# Sentences (fields of sentences.Sentences) that a setting can replace.
SETTINGS = {
    "notice": "RECORDING_NOTICE",
    "conversation_notice": "CONVERSATION_NOTICE",
    "nothing_heard": "SAY_NOTHING_HEARD",
    "goodbye": "SAY_GOODBYE",
}


@dataclass(frozen=True)
class Sentence:
    """Text to speak. voice: one of Twilio's names, or "" for the default voice."""

    text: str
    language: str
    voice: str = ""


def language() -> str:
    """Return SAY_LANGUAGE or, if it is empty, the locale for SPEECH_LANGUAGE_CODE.

    Return "" if Twilio does not speak the language of SPEECH_LANGUAGE_CODE.
    """
    if settings.SAY_LANGUAGE:
        return str(settings.SAY_LANGUAGE)
    return locale_of(settings.SPEECH_LANGUAGE_CODE)


def sentence(name: str, **filled: str) -> Sentence:
    """Return the sentence with this name (a field of sentences.Sentences).

    The text is the first of these that exists:
    - the setting (see SETTINGS)
    - our translation
    - our English text, for Twilio's default English voice
    filled: values for the placeholders in our text, such as who="Ada" for `{who}`.
    """
    chosen = getattr(settings, SETTINGS[name]) if name in SETTINGS else ""
    if chosen:
        return sentence_from_setting(chosen)
    if translation := TRANSLATIONS.get(base(language())):
        text = getattr(translation, name).format(**filled)
        return Sentence(text, language(), settings.SAY_VOICE)
    return Sentence(getattr(TRANSLATIONS["en"], name).format(**filled), ENGLISH)


def greeting() -> Sentence:
    """Return the greeting for people who call us."""
    if settings.ANSWER_GREETING:
        return sentence_from_setting(settings.ANSWER_GREETING)
    return sentence("notice")


def sentence_from_setting(text: str) -> Sentence:
    """Return a sentence from a setting. It is in English if `language()` is empty."""
    return Sentence(text, language() or ENGLISH, settings.SAY_VOICE)


def spaced_digits(text: str) -> str:
    """Return only the digits, with commas, so that they are spoken one by one."""
    return ", ".join(letter for letter in text if letter.isdigit())


def settings_without_translation() -> list[str]:
    """Return the empty settings in SETTINGS for which we have no translation.

    Until these settings are filled in, people hear English sentences.
    """
    if base(language()) in TRANSLATIONS:
        return []
    return [name for name in SETTINGS.values() if not getattr(settings, name)]
