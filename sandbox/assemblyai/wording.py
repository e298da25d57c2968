"""From recognised words to a text: capitals, full stops, custom spellings.

PocketSphinx knows neither capitals nor punctuation. Words between two pauses are taken
for a sentence: a capital at its start, a full stop at its end, and "I". No more.
"""

from typing import Any

SENTENCE_PAUSE_MS = 450

Words = list[dict[str, Any]]


def sentences(words: Words) -> list[Words]:
    found: list[Words] = []
    for word in words:
        new = not found or word["pause"] > SENTENCE_PAUSE_MS
        if new or word["channel"] != found[-1][-1]["channel"]:
            found.append([])
        found[-1].append(word)
    return found


def formatted(words: Words, request: dict[str, Any]) -> Words:
    """New words: spelled and written as the request wants it."""
    words = spelled(
        [dict(word) for word in words], request.get("custom_spelling") or []
    )
    capitals = request.get("format_text", True)
    stops = request.get("punctuate", True)
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
    """``from`` is found whatever its capitals, over several words too; the words that
    it covers become one."""
    for rule in rules:
        for text in rule["from"]:
            words = _replaced(words, text.lower().split(), rule["to"])
    return words


def _replaced(words: Words, wanted: list[str], to: str) -> Words:
    out: Words = []
    n = 0
    while n < len(words):
        covered = words[n : n + len(wanted)]
        if [word["text"].lower() for word in covered] == wanted:
            mean = sum(word["confidence"] for word in covered) / len(covered)
            end = covered[-1]["end"]
            joined = {"text": to, "end": end, "confidence": round(mean, 5)}
            out.append(covered[0] | joined)
            n += len(wanted)
        else:
            out.append(words[n])
            n += 1
    return out
