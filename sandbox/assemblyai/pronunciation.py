"""Guess the pronunciation of a word with eSpeak NG, for PocketSphinx.

A phone is a speech sound here, as in the documentation of PocketSphinx.
"""

import ctypes
import re
from functools import cache, lru_cache
from typing import Any

# Constants from espeak-ng/src/include/espeak-ng/speak_lib.h.
SYNCHRONOUS, DO_NOT_EXIT, UTF8, IPA = 2, 0x8000, 1, 2
# Sounds in the IPA of eSpeak's American voice, and their names in the CMU dictionary.
PHONES = {
    "tʃ": "CH",
    "dʒ": "JH",
    "eɪ": "EY",
    "aɪ": "AY",
    "aʊ": "AW",
    "oʊ": "OW",
    "ɔɪ": "OY",
    "ɜː": "ER",
    "iə": "IY AH",
    "oː": "AO",
    "ɔː": "AO",
    "ɑː": "AA",
    "ɚ": "ER",
    "ɝ": "ER",
    "ɹ": "R",
    "θ": "TH",
    "ð": "DH",
    "ʃ": "SH",
    "ʒ": "ZH",
    "ŋ": "NG",
    "ɡ": "G",
    "ɾ": "T",
    "ʔ": "T",
    "ɪ": "IH",
    "ᵻ": "IH",
    "ɛ": "EH",
    "æ": "AE",
    "ɐ": "AH",
    "ə": "AH",
    "ʌ": "AH",
    "ʊ": "UH",
    "ɔ": "AO",
    "ɑ": "AA",
    "j": "Y",
    "h": "HH",
    "i": "IY",
    "u": "UW",
    "o": "OW",
    "a": "AA",
    "e": "EH",
    **{letter: letter.upper() for letter in "bdfklmnpstvwzgr"},
}
STRESS = "ˈˌ"
PHONE = re.compile("|".join([f"[{STRESS}]", *sorted(PHONES, key=len, reverse=True)]))
VOWELS = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY"}
VOWELS |= {"UH", "UW"}


@cache
def _espeak() -> Any:
    import espeakng_loader

    espeak = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    if espeak.espeak_Initialize(SYNCHRONOUS, 0, data, DO_NOT_EXIT) < 0:
        raise RuntimeError("eSpeak NG does not find its data.")
    espeak.espeak_SetVoiceByName(b"en-us")
    espeak.espeak_TextToPhonemes.restype = ctypes.c_char_p
    return espeak


@lru_cache(10_000)
def guesses(word: str) -> list[str]:
    """Return at most two pronunciations, such as `G AE B AH P EH N T IH N`.

    In the second pronunciation, unstressed vowels are weak (AH). The list is empty if
    eSpeak finds no sound in the word.
    """
    text = ctypes.create_string_buffer(word.encode())
    place = ctypes.c_void_p(ctypes.addressof(text))
    ipa = _espeak().espeak_TextToPhonemes(ctypes.byref(place), UTF8, IPA).decode()
    full: list[str] = []
    weak: list[str] = []
    is_stressed = False
    for found in PHONE.findall(ipa):
        if found in STRESS:
            is_stressed = True
            continue
        phone = PHONES[found]
        full.append(phone)
        is_vowel = phone in VOWELS
        weak.append("AH" if is_vowel and not is_stressed and phone != "ER" else phone)
        is_stressed = is_stressed and not is_vowel
    return [way for way in dict.fromkeys([" ".join(full), " ".join(weak)]) if way]
