"""Search results: a passage with marked matches, and the time of the best match.

The text is split into the same tokens as in the index, so that only words that match
the search are marked.
"""

import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from transcription import presentation
from transcription.models import Transcript
from transcription.review.current import words_of_each
from transcription.search.query import Query
from transcription.tokens import Token, tokens
from transcription.words import Word

# A passage has about 220 characters. The match begins after about 50 of them.
PASSAGE, BEFORE = 220, 50
# From the start of each match, count the different terms of the query in the next NEAR
# tokens. The match with the highest count is the best.
NEAR = 28
# Start the audio this long before the match: a word without its context is hard to
# understand.
LEAD_SECONDS = 3


@dataclass(frozen=True)
class Snippet:
    transcript: Transcript
    passage: SafeString
    # The word where the best match begins, or None if no word matches.
    word: Word | None

    @property
    def start_ms(self) -> int | None:
        return self.word.start if self.word else None

    @property
    def speaker(self) -> str:
        return self.word.speaker if self.word else ""

    @property
    def clock(self) -> str:
        return presentation.clock(self.start_ms or 0)

    @property
    def url_fragment(self) -> str:
        """A media fragment (#t=seconds) to append to a URL, or an empty string."""
        if self.start_ms is None:
            return ""
        return f"#t={max(0, self.start_ms / 1000 - LEAD_SECONDS):.1f}"


def snippets_of(transcripts: list[Transcript], query: Query) -> list[Snippet]:
    """Return a snippet of each transcript on a page of search results.

    The number of database queries does not depend on the number of transcripts.
    """
    # A query such as `tag:billing` marks nothing in the texts, so load no words.
    words = words_of_each(transcripts) if query.included else {}
    return [snippet_of(each, query, words.get(each.pk, [])) for each in transcripts]


def snippet_of(transcript: Transcript, query: Query, words: list[Word]) -> Snippet:
    """Choose the passage to show, and mark the matches in it.

    words: the current words of the transcript.
    """
    text = transcript.text
    all_tokens = tokens(text)
    found = occurrences([token.word for token in all_tokens], query)
    best = densest_index(found)
    if not all_tokens:
        return Snippet(transcript, SafeString(""), None)
    first = passage_start(text, all_tokens, found[best][0] if found else 0)
    latest = all_tokens[first].start + PASSAGE
    passage = [each for each in all_tokens[first:] if each.start < latest]
    cuts = [passage[0].start if first else 0]
    for start, end, _ in found:
        if first <= start and end <= first + len(passage):
            # In scripts without spaces, tokens overlap: the text 東京都 has the tokens
            # 東京 and 京都. If both match, show 京 only once.
            marked = max(cuts[-1], all_tokens[start].start), all_tokens[end - 1].end
            cuts += marked
    is_cut = first + len(passage) < len(all_tokens)
    cuts.append(passage[-1].end if is_cut else len(text))
    # Every second piece is a match.
    pieces = [text[a:b] for a, b in pairwise(cuts)]
    return Snippet(
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
        matched_word(words, query, best, len(found)) if found else None,
    )


def passage_start(text: str, all_tokens: list[Token], match: int) -> int:
    """Return the index of the passage's first token.

    The token begins about 50 characters (BEFORE) ahead of the match.
    match: the index of the first token of the match.
    """
    first = match
    while first and all_tokens[match].start - all_tokens[first - 1].start <= BEFORE:
        first -= 1
    # Do not cut between a letter and its vowel sign.
    while first and unicodedata.category(text[all_tokens[first].start])[0] == "M":
        first -= 1
    return first


def occurrences(words: list[str], query: Query) -> list[tuple[int, int, int]]:
    """Return (first, end, term) of each occurrence, in order and without overlaps.

    first, end: indexes in `words`, `end` excluded. term: the index in query.included.
    """
    found: list[tuple[int, int, int]] = []
    for start in range(len(words)):
        if found and start < found[-1][1]:
            continue
        for number, term in enumerate(query.included):
            if term.found_in(words, start):
                found.append((start, start + len(term.words), number))
                break
    return found


def densest_index(found: list[tuple[int, int, int]]) -> int:
    """Return the index of the best match in `found`, or 0 if `found` is empty.

    found: the result of `occurrences`. NEAR explains which match is the best.
    """

    def terms_near(index: int) -> int:
        end = found[index][0] + NEAR
        near = set()
        for start, _, term in found[index : index + NEAR]:
            if start < end:
                near.add(term)
        return len(near)

    return max(range(len(found)), key=terms_near, default=0)


def matched_word(words: list[Word], query: Query, best: int, count: int) -> Word | None:
    """Return the word where the best match begins, or None if no word matches.

    words: the current words of the transcript.
    count: the number of matches in the transcript's text.
    best: the index of the best of these matches.
    """
    spoken = tokens("".join(f"{word.space}{word.text}" for word in words))
    found = occurrences([token.word for token in spoken], query)
    if not found:
        return None
    # If two people talk at once, the order of `words` and of the text can differ. Then
    # a phrase can match in only one of them. If so, `best` is not valid, and we use the
    # first match.
    start, _, _ = found[best] if len(found) == count else found[0]
    begins = list(
        accumulate((len(word.space) + len(word.text) for word in words), initial=0)
    )
    return words[bisect_right(begins, spoken[start].start) - 1]
