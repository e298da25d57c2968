"""Search results: a passage with the matches marked, and the time it is said.

The text is tokenized as in the index, so that the marked words are the ones it found.
"""

from dataclasses import dataclass
from itertools import pairwise

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from transcription import presentation
from transcription.models import Transcript
from transcription.search.query import Query, tokens
from transcription.words import words_of

# The number of words in a passage, and how many of them come before the first match.
PASSAGE, BEFORE = 36, 8
# Start the audio a little earlier: a word without its context is hard to understand.
LEAD_SECONDS = 3


@dataclass(frozen=True)
class Hit:
    transcript: Transcript
    passage: SafeString
    # None if AssemblyAI gave no times.
    said_at_ms: int | None

    @property
    def clock(self) -> str:
        return presentation.clock(self.said_at_ms or 0)

    @property
    def plays_from(self) -> str:
        """A media fragment to append to a URL, or an empty string."""
        if self.said_at_ms is None:
            return ""
        return f"#t={max(0, self.said_at_ms / 1000 - LEAD_SECONDS):.1f}"


def hit(transcript: Transcript, query: Query) -> Hit:
    """Choose the passage to show, and mark the matches in it."""
    text = transcript.text
    all_tokens = tokens(text)
    found = occurrences([token.word for token in all_tokens], query)
    best = densest(found)
    first = max(0, found[best][0] - BEFORE) if found else 0
    passage = all_tokens[first : first + PASSAGE]
    if not passage:
        return Hit(transcript, SafeString(""), None)
    cuts = [passage[0].start if first else 0]
    for start, end, _ in found:
        if first <= start and end <= first + len(passage):
            cuts += [all_tokens[start].start, all_tokens[end - 1].end]
    is_cut = first + len(passage) < len(all_tokens)
    cuts.append(passage[-1].end if is_cut else len(text))
    # Every second piece is a match.
    pieces = [text[a:b] for a, b in pairwise(cuts)]
    return Hit(
        transcript,
        format_html(
            "{}{}{}",
            "… " if first else "",
            format_html_join(
                "",
                "{}",
                (
                    (format_html("<mark>{}</mark>", piece) if n % 2 else piece,)
                    for n, piece in enumerate(pieces)
                ),
            ),
            " …" if is_cut else "",
        ),
        said_at(transcript, query, best, len(found)),
    )


def occurrences(words: list[str], query: Query) -> list[tuple[int, int, int]]:
    """Find the terms: (first word, word after the last, index of the term).

    The occurrences are in order and do not overlap.
    """
    found: list[tuple[int, int, int]] = []
    for start in range(len(words)):
        if found and start < found[-1][1]:
            continue
        for number, term in enumerate(query.wanted):
            if term.found_in(words, start):
                found.append((start, start + len(term.words), number))
                break
    return found


def densest(found: list[tuple[int, int, int]]) -> int:
    """Return the index of the occurrence whose passage contains the most terms."""

    def terms_near(index: int) -> int:
        last = found[index][0] + PASSAGE - BEFORE
        near = set()
        for start, _, term in found[index : index + PASSAGE]:
            if start < last:
                near.add(term)
        return len(near)

    return max(range(len(found)), key=terms_near, default=0)


def said_at(transcript: Transcript, query: Query, best: int, count: int) -> int | None:
    """Return when occurrence number `best` of the text is said, in ms.

    It has the same number in the list of words, if both lists have `count` occurrences.
    """
    spoken = [
        (token.word, word.start)
        for word in words_of(transcript)
        for token in tokens(word.text)
    ]
    found = occurrences([word for word, _ in spoken], query)
    if not found:
        return None
    # If the lists differ, use the first occurrence: any other could be a wrong one.
    start, _, _ = found[best] if len(found) == count else found[0]
    return spoken[start][1]
