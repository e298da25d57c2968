"""Prepare the turns of a transcript's page, and the turns that a correction changes.

A correction never moves the beginning of a turn. If a correction replaces words of
several turns, the first of these turns shows the new text.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.template.defaultfilters import date as formatted
from django.utils import timezone
from django.utils.safestring import SafeString

from transcription.models import Correction, Original, Revision, Transcript
from transcription.presentation import bounds_of, clock, html_of, player_data
from transcription.review.current import Change, apply_changes, speaker_names
from transcription.words import Word, join_words, original_words


class PageTurn(NamedTuple):
    first: int  # index of the turn's first original word
    end: int  # index after its last original word
    # Index of the first word, from `first` on, that no correction of an earlier turn
    # replaces.
    begins: int
    speaker: str
    clock: str
    words: list[Word]  # the current words
    corrections: list[dict[str, Any]]
    # Whether the turn begins while another speaker is still speaking. Only
    # `turns_on_page` sets this.
    overlaps: bool = False

    @property
    def text(self) -> str:
        return join_words(self.words)

    @property
    def html(self) -> SafeString:
        """The words as HTML, with the space before the first word, if any.

        The browser does not show this space. The review's selection.js needs it to join
        the words of two turns.
        """
        space = self.words[0].space if self.words else ""
        return SafeString(space) + html_of(self.words)

    @property
    def data(self) -> dict[str, Any]:
        """The data about this turn that the scripts of the page need."""
        return {
            "first": self.first,
            "last": self.end,
            "begins": self.begins,
            **player_data(self.words),
            "corrections": self.corrections,
        }


def may_correct(user: Any, transcript: Transcript) -> bool:
    return (
        user.has_perm("transcription.correct_transcript")
        and transcript.status == Transcript.Status.COMPLETED
        and not transcript.verified_at
    )


def turns_on_page(transcript: Transcript) -> list[PageTurn]:
    """Return all turns. Makes three queries if the transcript has a revision."""
    if not transcript.revision:
        words = original_words(transcript)
        return with_overlaps(_turns(bounds_of(words), words, 0, []))
    original = Original.objects.get(pk=transcript.pk)
    names = speaker_names(transcript)
    bounds = [
        (first, end, names.get(speaker, speaker))
        for first, end, speaker in original.turns
    ]
    return with_overlaps(
        _turns(bounds, original.words(), 0, _live_corrections(transcript))
    )


def with_overlaps(turns: Iterator[PageTurn]) -> list[PageTurn]:
    """Set `overlaps` of the turns that begin while another speaker still speaks."""
    found = []
    ends: dict[str, int] = {}  # {speaker: latest end of a word, in ms}
    for turn in turns:
        overlaps = any(
            turn.words[0].start < end
            for speaker, end in ends.items()
            if turn.words and turn.words[0].speaker != speaker
        )
        found.append(turn._replace(overlaps=overlaps))
        for word in turn.words:
            ends[word.speaker] = max(ends.get(word.speaker, 0), word.end)
    return found


def speakers_of(transcript: Transcript, turns: list[PageTurn]) -> list[tuple[str, str]]:
    """Return (name in the original words, current name) of each speaker on the page."""
    names = speaker_names(transcript) if transcript.revision else {}
    words = (word for turn in turns for word in turn.words)
    found = dict.fromkeys(word.speaker for word in words if word.speaker)
    return [(speaker, names.get(speaker, speaker)) for speaker in found]


def turns_in_ranges(
    transcript: Transcript, ranges: Iterable[tuple[int, int]]
) -> list[PageTurn]:
    """Return the turns that contain original words in these ranges.

    A range is (first, end), with `end` excluded.
    """
    original = Original.objects.get(pk=transcript.pk)
    starts = [first for first, _, _ in original.turns]
    numbers = {
        number
        for first, end in ranges
        for number in range(bisect_right(starts, first) - 1, bisect_left(starts, end))
    }
    bounds = [turn for n, turn in enumerate(original.turns) if n in numbers]
    if not bounds:
        return []
    begin, end = bounds[0][0], bounds[-1][1]
    rows = [
        row
        for row in _live_corrections(transcript)
        if row.first < end and row.last > begin
    ]
    # Also read the word before and the word after. `apply_changes` needs their times if
    # a correction adds words at the beginning or end.
    begin = max(0, min([begin, *(row.first for row in rows)]) - 1)
    end = max([end, *(row.last for row in rows)]) + 1
    return list(_turns(bounds, original.words(begin, end), begin, rows))


def _live_corrections(transcript: Transcript) -> list[Correction]:
    rows = Correction.objects.filter(transcript=transcript, is_live=True)
    return list(rows.select_related("revision__author").order_by("first"))


def _turns(
    bounds: list[tuple[int, int, str]],
    words: list[Word],
    begin: int,
    rows: list[Correction],
) -> Iterator[PageTurn]:
    """Yield a turn for each (first, end, speaker) in `bounds`.

    words: the original words from index `begin` on.
    rows: the live corrections of these words, in the order of the words.
    """
    current = apply_changes(
        words,
        (
            Change(row.first - begin, row.last - begin, row.after, row.pk)
            for row in rows
        ),
    )
    places = [word.at for word in current]
    starts = [row.first for row in rows]
    for first, end, speaker in bounds:
        mine = current[bisect_left(places, first) : bisect_left(places, end)]
        earlier = bisect_left(starts, first)
        here = rows[earlier : bisect_left(starts, end)]
        yield PageTurn(
            first,
            end,
            max(first, rows[earlier - 1].last) if earlier else first,
            speaker,
            clock(words[first - begin].start),
            mine,
            [
                _correction_data(row, words[row.first - begin : row.last - begin], mine)
                for row in here
            ],
        )


def _correction_data(
    row: Correction, replaced: list[Word], in_turn: list[Word]
) -> dict[str, Any]:
    """Return what the page shows about a correction.

    replaced: the original words that it replaces. in_turn: the turn's current words.
    """
    here = [n for n, word in enumerate(in_turn) if word.correction == row.pk]
    before = bisect_left([word.at for word in in_turn], row.first)
    author = row.revision.author
    if author:
        who = author.get_username()
    elif row.revision.kind == Revision.Kind.CARRIED:
        who = "carry-over from an older transcript"
    else:
        who = "a deleted account"
    return {
        "at": here[0] if here else before,
        "count": len(here),
        "first": row.first,
        "last": row.last,
        "original": join_words(replaced),
        "who": who,
        "when": formatted(timezone.localtime(row.revision.at), "j M Y, H:i"),
        "doubts": [word.confidence for word in replaced],
    }
