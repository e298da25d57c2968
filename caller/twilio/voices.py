"""The languages and voices of Twilio's <Say>.

Source: a saved copy of twilio.com/docs/voice/twiml/say/text-speech, read on 27
November 2026. am-ET, en-CA, sr-RS and uk-UA are from Twilio's Node SDK. A language that
is missing here causes only a warning, because Twilio sometimes adds languages.
"""

import re
from functools import lru_cache

ENGLISH = "en-US"
# Locales that Twilio speaks. The first locale of a language is its default.
LOCALES = """
    af-ZA am-ET ar-XA ar-AE arb eu-ES bn-IN bg-BG ca-ES cmn-CN cmn-TW yue-HK yue-CN
    cs-CZ da-DK nl-NL nl-BE en-US en-GB en-AU en-CA en-IE en-IN en-NZ en-ZA en-GB-WLS
    fil-PH fi-FI fr-FR fr-CA fr-BE gl-ES de-DE de-AT el-GR gu-IN he-IL hi-IN
    hu-HU is-IS id-ID it-IT ja-JP kn-IN ko-KR lv-LV lt-LT ms-MY ml-IN mr-IN nb-NO
    pl-PL pt-BR pt-PT pa-IN ro-RO ru-RU sr-RS sk-SK es-ES es-MX es-US sv-SE ta-IN
    te-IN th-TH tr-TR uk-UA vi-VN cy-GB
""".split()  # noqa: SIM905
# AssemblyAI's language codes that Twilio spells differently.
SPELLINGS = {
    "en_uk": "en-GB",
    "zh": "cmn-CN",
    "no": "nb-NO",
    "nn": "nb-NO",
    "tl": "fil-PH",
}
# Valid forms of SAY_VOICE.
VOICE = re.compile(
    r"man|woman|Polly\.(?P<polly>[A-Z][^\W\d_]+)(-Neural|-Generative)?"
    r"|Google\.(?P<locale>[a-z]{2,3}-[A-Z]{2})-\w+(-\w+)*"
)
# Locales that the voices `man` and `woman` speak.
BASIC = {"de-DE", "en-GB", "en-US", "es-ES", "es-MX", "es-US", "fr-FR", "it-IT"}
# Amazon Polly's voices, by language. A voice works with every locale of its language.
POLLY = {
    "ar": "Hala Zayd",
    "arb": "Zeina",
    "ca": "Arlet",
    "cmn": "Zhiyu",
    "cy": "Gwyneth",
    "da": "Mads Naja Sofie",
    "de": "Daniel Hannah Hans Marlene Vicki",
    "en": "Aditi Amy Aria Arthur Ayanda Brian Danielle Emma Geraint Gregory Ivy Joanna "
    "Joey Justin Kajal Kendra Kevin Kimberly Matthew Niamh Nicole Olivia Raveena "
    "Russell Ruth Salli Stephen Tiffany",
    "es": "Andres Conchita Enrique Lucia Lupe Mia Mía Miguel Pedro Penelope Penélope "
    "Sergio",
    "fi": "Suvi",
    "fr": "Celine Céline Chantal Gabrielle Isabelle Lea Léa Liam Mathieu Remi Rémi",
    "hi": "Aditi Kajal",
    "is": "Dora Dóra Karl",
    "it": "Adriano Bianca Carla Giorgio",
    "ja": "Kazuha Mizuki Takumi Tomoko",
    "ko": "Seoyeon",
    "nb": "Ida Liv",
    "nl": "Laura Lisa Lotte Ruben",
    "pl": "Ewa Jacek Jan Maja Ola",
    "pt": "Camila Cristiano Ines Inês Ricardo Thiago Vitoria Vitória",
    "ro": "Carmen",
    "ru": "Maxim Tatyana",
    "sv": "Astrid Elin",
    "tr": "Burcu Filiz",
    "yue": "Hiujin",
}


@lru_cache(maxsize=8)
def locale_of(code: str) -> str:
    """Return Twilio's locale for AssemblyAI's language code, or "" if there is none.

    Return English for "detect", because the language is unknown before the call.
    """
    if code == "detect":
        return ENGLISH
    wanted = SPELLINGS.get(code, code.replace("_", "-")).lower()
    exact = [locale for locale in LOCALES if locale.lower() == wanted]
    similar = [locale for locale in LOCALES if base(locale) == base(wanted)]
    return (exact or similar or [""])[0]


def base(locale: str) -> str:
    """Return the language of a locale: "de" for "de-AT"."""
    return locale.partition("-")[0].lower()


def voice_fault(voice: str, spoken: str) -> str:
    """Return why the voice cannot speak the locale `spoken`, or "" if it can."""
    name = VOICE.fullmatch(voice)
    if not name:
        return "SAY_VOICE is not one of Twilio's voices."
    if name["polly"]:
        languages = [each for each in POLLY if name["polly"] in POLLY[each].split()]
        # Accept a name that is not in POLLY: the voice may be newer than our list.
        agrees = not languages or base(spoken) in languages
    elif name["locale"]:
        agrees = name["locale"] == spoken
    else:
        agrees = spoken in BASIC
    return "" if agrees else f"The voice of SAY_VOICE does not speak {spoken}."
