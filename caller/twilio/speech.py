"""The sentences that Twilio speaks, and their language and voice.

Languages and voices: twilio.com/docs/voice/twiml/say/text-speech, from a stored copy
read on 27 November 2026. am-ET, en-CA, sr-RS and uk-UA are from Twilio's Node SDK.
Twilio sometimes adds languages, so a language that is missing here causes only a
warning.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

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
VOICE = re.compile(
    r"man|woman|Polly\.(?P<polly>[A-Z][^\W\d_]+)(-Neural|-Generative)?"
    r"|Google\.(?P<locale>[a-z]{2,3}-[A-Z]{2})-\w+(-\w+)*"
)
# Languages that the voices `man` and `woman` speak.
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


@dataclass(frozen=True)
class Sentence:
    """Text to speak. voice: one of Twilio's names, or "" for the default voice."""

    text: str
    language: str
    voice: str = ""


@dataclass(frozen=True)
class Sentences:
    """The sentences that people on the phone hear, in one language.

    The function `sentence` fills in the names in braces, such as {who}.
    """

    notice: str
    nothing_heard: str
    goodbye: str
    # Conversations
    connect: str
    conversation_notice: str
    no_key: str
    not_reached: str
    # Verification of a phone
    code: str
    # Incoming calls
    not_accepted: str
    try_later: str


TRANSLATIONS = {
    "en": Sentences(
        "Hello. This call is recorded and will be transcribed. "
        "Please speak after the beep, and press any key when you are done.",
        "We heard nothing. Goodbye.",
        "Thank you. Goodbye.",
        "Press any key to call {who}.",
        "This call is recorded and will be transcribed.",
        "No key was pressed. Goodbye.",
        "The call could not be connected. Goodbye.",
        "Your code is {code}.",
        "This number does not accept your call. Goodbye.",
        "We cannot take your call now. Please try again later. Goodbye.",
    ),
    "de": Sentences(
        "Guten Tag. Dieser Anruf wird aufgezeichnet und in Text umgewandelt. "
        "Bitte sprechen Sie nach dem Signalton und drücken Sie eine beliebige Taste, "
        "wenn Sie fertig sind.",
        "Wir haben nichts gehört. Auf Wiederhören.",
        "Vielen Dank. Auf Wiederhören.",
        "Drücken Sie eine beliebige Taste, um {who} anzurufen.",
        "Dieser Anruf wird aufgezeichnet und in Text umgewandelt.",
        "Es wurde keine Taste gedrückt. Auf Wiederhören.",
        "Die Verbindung kam nicht zustande. Auf Wiederhören.",
        "Ihr Code lautet {code}.",
        "Diese Nummer nimmt Ihren Anruf nicht an. Auf Wiederhören.",
        "Wir können Ihren Anruf jetzt nicht annehmen. "
        "Bitte versuchen Sie es später noch einmal. Auf Wiederhören.",
    ),
    "es": Sentences(
        "Hola. Esta llamada se graba y se transcribirá. "
        "Hable después de la señal y pulse cualquier tecla cuando termine.",
        "No hemos oído nada. Adiós.",
        "Gracias. Adiós.",
        "Pulse cualquier tecla para llamar a {who}.",
        "Esta llamada se graba y se transcribirá.",
        "No se ha pulsado ninguna tecla. Adiós.",
        "No se ha podido establecer la llamada. Adiós.",
        "Su código es {code}.",
        "Este número no acepta su llamada. Adiós.",
        "Ahora no podemos atender su llamada. Inténtelo de nuevo más tarde. Adiós.",
    ),
    "fr": Sentences(
        "Bonjour. Cet appel est enregistré et sera transcrit. "
        "Veuillez parler après le bip, puis appuyer sur une touche pour terminer.",
        "Nous n'avons rien entendu. Au revoir.",
        "Merci. Au revoir.",
        "Appuyez sur une touche pour appeler {who}.",
        "Cet appel est enregistré et sera transcrit.",
        "Aucune touche n'a été pressée. Au revoir.",
        "L'appel n'a pas pu aboutir. Au revoir.",
        "Votre code est {code}.",
        "Ce numéro n'accepte pas votre appel. Au revoir.",
        "Nous ne pouvons pas prendre votre appel maintenant. "
        "Veuillez réessayer plus tard. Au revoir.",
    ),
    "it": Sentences(
        "Buongiorno. Questa chiamata viene registrata e sarà trascritta. "
        "Parli dopo il segnale acustico e prema un tasto qualsiasi quando ha finito.",
        "Non abbiamo sentito nulla. Arrivederci.",
        "Grazie. Arrivederci.",
        "Prema un tasto qualsiasi per chiamare {who}.",
        "Questa chiamata viene registrata e sarà trascritta.",
        "Non è stato premuto alcun tasto. Arrivederci.",
        "Non è stato possibile collegare la chiamata. Arrivederci.",
        "Il suo codice è {code}.",
        "Questo numero non accetta la sua chiamata. Arrivederci.",
        "Ora non possiamo rispondere. Riprovi più tardi. Arrivederci.",
    ),
    "nl": Sentences(
        "Hallo. Dit gesprek wordt opgenomen en uitgeschreven. "
        "Spreek na de pieptoon en druk op een toets als u klaar bent.",
        "We hebben niets gehoord. Tot ziens.",
        "Dank u wel. Tot ziens.",
        "Druk op een toets om {who} te bellen.",
        "Dit gesprek wordt opgenomen en uitgeschreven.",
        "Er is geen toets ingedrukt. Tot ziens.",
        "De verbinding is niet gelukt. Tot ziens.",
        "Uw code is {code}.",
        "Dit nummer neemt uw oproep niet aan. Tot ziens.",
        "We kunnen uw oproep nu niet aannemen. Probeer het later opnieuw. Tot ziens.",
    ),
    "pl": Sentences(
        "Dzień dobry. Ta rozmowa jest nagrywana i zostanie zapisana jako tekst. "
        "Proszę mówić po sygnale i nacisnąć dowolny klawisz po zakończeniu.",
        "Nic nie usłyszeliśmy. Do widzenia.",
        "Dziękujemy. Do widzenia.",
        "Proszę nacisnąć dowolny klawisz, aby zadzwonić do {who}.",
        "Ta rozmowa jest nagrywana i zostanie zapisana jako tekst.",
        "Nie naciśnięto żadnego klawisza. Do widzenia.",
        "Nie udało się połączyć rozmowy. Do widzenia.",
        "Państwa kod to {code}.",
        "Ten numer nie przyjmuje Państwa połączenia. Do widzenia.",
        "Nie możemy teraz odebrać połączenia. Proszę spróbować później. Do widzenia.",
    ),
    "pt": Sentences(
        "Olá. Esta chamada está sendo gravada e será transcrita. "
        "Fale após o sinal e pressione qualquer tecla quando terminar.",
        "Não ouvimos nada. Até logo.",
        "Obrigado. Até logo.",
        "Pressione qualquer tecla para ligar para {who}.",
        "Esta chamada está sendo gravada e será transcrita.",
        "Nenhuma tecla foi pressionada. Até logo.",
        "Não foi possível completar a chamada. Até logo.",
        "O seu código é {code}.",
        "Este número não aceita a sua chamada. Até logo.",
        "Não podemos atender a sua chamada agora. "
        "Tente novamente mais tarde. Até logo.",
    ),
}
# For these sentences, a setting can replace our text.
SETTINGS = {
    "notice": "RECORDING_NOTICE",
    "conversation_notice": "CONVERSATION_NOTICE",
    "nothing_heard": "SAY_NOTHING_HEARD",
    "goodbye": "SAY_GOODBYE",
}


def language() -> str:
    """Return SAY_LANGUAGE if it is set, else the locale for LANGUAGE_CODE.

    Return "" if Twilio does not speak the language of LANGUAGE_CODE.
    """
    if settings.SAY_LANGUAGE:
        return str(settings.SAY_LANGUAGE)
    return locale_of(settings.SPEECH_LANGUAGE_CODE)


@lru_cache(maxsize=8)
def locale_of(code: str) -> str:
    """Return Twilio's locale for AssemblyAI's language code, or "" if there is none."""
    if code == "detect":
        return ENGLISH
    wanted = SPELLINGS.get(code, code.replace("_", "-")).lower()
    exact = [locale for locale in LOCALES if locale.lower() == wanted]
    similar = [locale for locale in LOCALES if base(locale) == base(wanted)]
    return (exact or similar or [""])[0]


def base(locale: str) -> str:
    """Return the language of a locale: "de" for "de-AT"."""
    return locale.partition("-")[0].lower()


def sentence(name: str, **filled: str) -> Sentence:
    """Return a sentence, by its name in Sentences.

    filled: values for the names in braces. A setting replaces our translation. If we
    have neither, the sentence is English, spoken by Twilio's default English voice.
    """
    chosen = getattr(settings, SETTINGS[name]) if name in SETTINGS else ""
    if chosen:
        return written_by_the_site(chosen)
    if translation := TRANSLATIONS.get(base(language())):
        text = getattr(translation, name).format(**filled)
        return Sentence(text, language(), settings.SAY_VOICE)
    return Sentence(getattr(TRANSLATIONS["en"], name).format(**filled), ENGLISH)


def greeting() -> Sentence:
    """Return the greeting for people who call us."""
    if settings.ANSWER_GREETING:
        return written_by_the_site(settings.ANSWER_GREETING)
    return sentence("notice")


def written_by_the_site(text: str) -> Sentence:
    """Return a sentence that comes from a setting. Its language is `language()`."""
    return Sentence(text, language() or ENGLISH, settings.SAY_VOICE)


def digits(text: str) -> str:
    """Separate the digits by commas, so that they are spoken one by one."""
    return ", ".join(letter for letter in text if letter.isdigit())


def untranslated() -> list[str]:
    """Return the names of empty settings whose sentences we have not translated."""
    if base(language()) in TRANSLATIONS:
        return []
    return [name for name in SETTINGS.values() if not getattr(settings, name)]


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
