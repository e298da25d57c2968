"""What a search shows of a transcript: the passage, its marked words, when it is said.

It tokenizes as the index does, so that what the index found is what is marked.
"""

from dataclasses import dataclass
from itertools import pairwise

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from transcription import presentation
from transcription.models import Transcript
from transcription.search.query import Query, tokens

# Words of a passage, and how many of them stand before its first hit.
PASSAGE, BEFORE = 36, 8
# Who hears a word out of nowhere does not understand it.
LEAD_SECONDS = 3


@dataclass(frozen=True)
class Hit:
    transcript: Transcript
    passage: SafeString
    # None where AssemblyAI gave no times.
    said_at_ms: int | None

    @property
    def clock(self) -> str:
        return presentation.clock(self.said_at_ms or 0)

    @property
    def plays_from(self) -> str:
        """A media fragment, for the end of an address."""
        if self.said_at_ms is None:
            return ""
        return f"#t={max(0, self.said_at_ms / 1000 - LEAD_SECONDS):.1f}"


def hit(transcript: Transcript, query: Query) -> Hit:
    text = transcript.text
    told = tokens(text)
    found = occurrences([token.word for token in told], query)
    best = densest(found)
    first = max(0, found[best][0] - BEFORE) if found else 0
    passage = told[first : first + PASSAGE]
    if not passage:
        return Hit(transcript, SafeString(""), None)
    cuts = [passage[0].start if first else 0]
    for start, end, _ in found:
        if first <= start and end <= first + len(passage):
            cuts += [told[start].start, told[end - 1].end]
    is_cut = first + len(passage) < len(told)
    cuts.append(passage[-1].end if is_cut else len(text))
    # Every second piece is a hit.
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
    """From which word, to before which, of which term; in order, none in another."""
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
    """Which hit begins the passage in which the most of the terms stand."""

    def terms_near(index: int) -> int:
        last = found[index][0] + PASSAGE - BEFORE
        near = set()
        for start, _, term in found[index : index + PASSAGE]:
            if start < last:
                near.add(term)
        return len(near)

    return max(range(len(found)), key=terms_near, default=0)


def said_at(transcript: Transcript, query: Query, best: int, count: int) -> int | None:
    """When the hit is said: it is the so manieth in the list of words, too."""
    spoken = [
        (token.word, word.start)
        for word in presentation.words_of(transcript.words)
        for token in tokens(word.text)
    ]
    found = occurrences([word for word, _ in spoken], query)
    if not found:
        return None
    # Where the two lists differ, the first is said, and not a wrong one.
    start, _, _ = found[best] if len(found) == count else found[0]
    return spoken[start][1]
