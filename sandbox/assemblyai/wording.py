"""Format recognised words: capitals, full stops, custom spellings.

Moonshine returns capitals and punctuation. PocketSphinx does not: its words between two
pauses become a sentence. A sentence gets a capital at the start and a full stop at the
end. The word "I" gets a capital, too.
"""

import re
from typing import Any

SENTENCE_PAUSE_MS = 450

ENDS = ".,?!"

# Redaction policies about numbers. The stand-in ignores all other policies.
NUMBERS = {
    *("credit_card_number", "phone_number", "number_sequence", "account_number"),
    *("us_social_security_number", "date_of_birth", "date", "money_amount"),
}
NUMBER = re.compile(
    r"[$]?[0-9][0-9.,:/-]*|zero|oh|one|two|three|four|five|six|seven|eight|nine|ten",
    re.IGNORECASE,
)
REDACTED = "####"

Words = list[dict[str, Any]]


def text_of(words: Words, request: dict[str, Any]) -> str:
    """Return the text of the words.

    With `redact_pii` and a policy in NUMBERS, numbers in the text become ####. The
    words are not redacted, because AssemblyAI does not promise to redact them.
    """
    policies = set(request.get("redact_pii_policies") or [])
    hides = bool(request.get("redact_pii") and policies & NUMBERS)
    return " ".join(
        REDACTED
        if hides and NUMBER.fullmatch(word["text"].rstrip(ENDS))
        else word["text"]
        for word in words
    )


def sentences(words: Words) -> list[Words]:
    groups: list[Words] = []
    for word in words:
        new = not groups or word["pause"] > SENTENCE_PAUSE_MS
        if new or word["channel"] != groups[-1][-1]["channel"]:
            groups.append([])
        groups[-1].append(word)
    return groups


def formatted(words: Words, request: dict[str, Any], is_written: bool) -> Words:
    """Return copies of the words with the request's spelling and formatting.

    is_written: the words have capitals and punctuation already.
    """
    words = spelled(
        [dict(word) for word in words], request.get("custom_spelling") or []
    )
    capitals = request.get("format_text", True)
    stops = request.get("punctuate", True)
    if is_written:
        for word in words:
            word["text"] = word["text"] if stops else word["text"].rstrip(ENDS)
            word["text"] = word["text"] if capitals else word["text"].lower()
        return words
    for sentence in sentences(words):
        if capitals:
            for word in sentence:
                if word["text"] == "i" or word["text"].startswith("i'"):
                    word["text"] = "I" + word["text"][1:]
            first = sentence[0]["text"]
            sentence[0]["text"] = first[:1].upper() + first[1:]
        if stops:
            sentence[-1]["text"] += "."
    return words


def spelled(words: Words, rules: list[dict[str, Any]]) -> Words:
    """Apply the custom spellings.

    ``from`` is case-insensitive. If ``from`` has several words, they become one word.
    The punctuation after the words stays.
    """
    for rule in rules:
        for text in rule["from"]:
            words = _replaced(words, text.lower().split(), rule["to"])
    return words


def _replaced(words: Words, wanted: list[str], to: str) -> Words:
    out: Words = []
    n = 0
    while n < len(words):
        matched = words[n : n + len(wanted)]
        texts = " ".join(word["text"] for word in matched).lower()
        if texts.rstrip(ENDS) == " ".join(wanted):
            ending = texts[len(texts.rstrip(ENDS)) :]
            mean = sum(word["confidence"] for word in matched) / len(matched)
            end = matched[-1]["end"]
            joined = {"text": to + ending, "end": end, "confidence": round(mean, 5)}
            out.append(matched[0] | joined)
            n += len(wanted)
        else:
            out.append(words[n])
            n += 1
    return out
