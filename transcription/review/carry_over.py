"""Carry corrections over to a new transcript of the same recording."""

import logging
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from django.db import Error, OperationalError, transaction

from transcription.models import Revision, Transcript
from transcription.presentation import clock
from transcription.review import editing
from transcription.review.current import Change, live_changes, original_of
from transcription.review.ranges import overlaps
from transcription.review.rules import Conflict, Refused
from transcription.review.scores import align_words, score_recording
from transcription.words import Word, bare_word, join_words

logger = logging.getLogger(__name__)


class OpenChange(NamedTuple):
    """A correction with an uncertain place. A person must check it."""

    place: Change  # the correction at its likely place in the new transcript
    replaced: list[Word]  # AssemblyAI's words that the correction replaces

    @property
    def before(self) -> str:
        return join_words(self.replaced)

    @property
    def after(self) -> str:
        """The corrected text. Empty if the words were removed."""
        return self.place.after

    @property
    def start(self) -> int:
        """When the replaced words are spoken, in ms."""
        return self.replaced[0].start if self.replaced else 0

    @property
    def clock(self) -> str:
        return clock(self.start)

    @property
    def url_fragment(self) -> str:
        return f"#t={self.start / 1000}"


class CarryOver(NamedTuple):
    """The corrections of older transcripts, grouped by what happens to them.

    In `satisfied` and `carried`, Change has indexes of words of the new transcript.
    """

    satisfied: list[Change]  # the new transcript already has the right text
    carried: list[Change]  # the new transcript has the same uncorrected text
    open: list[OpenChange]  # a person must check these


def carry_over_and_score(transcript: Transcript) -> None:
    """Carry corrections over to a new transcript, and score its recording.

    - OperationalError (the database is busy or down) is raised, so that the step is
      retried.
    - Other errors are only logged: we must store the new text, because we pay for it.
    """
    with _only_log_errors(transcript, "corrections_not_carried_over"):
        carry_over(Transcript.objects.get(pk=transcript.pk))
    with _only_log_errors(transcript, "not_scored"):
        score_recording(transcript.recording_id)


@contextmanager
def _only_log_errors(transcript: Transcript, problem: str) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except OperationalError:
        raise
    except Exception as error:
        # Do not log the messages of Conflict, Error and Refused: they may quote words.
        logger.error(
            "transcript=%s %s error=%s",
            transcript.uuid,
            problem,
            type(error).__name__,
            exc_info=not isinstance(error, (Conflict, Error, Refused)),
        )


def carry_over(transcript: Transcript) -> None:
    """Apply the corrections of the recording's older transcripts to a new one."""
    if transcript.revision:
        return
    changes = place_older_changes(transcript, original_of(transcript)).carried
    if changes:
        editing.save(transcript, None, 0, changes, kind=Revision.Kind.CARRIED)


def unplaced_changes(transcript: Transcript) -> list[OpenChange]:
    """Return the older transcripts' corrections that a person must check.

    Leave out a correction in two cases:
    - The new transcript has a live correction at the same place.
    - The old correction only confirms words and does not change them.
    """
    new = original_of(transcript)
    found = place_older_changes(transcript, new)
    # A correction in `carried` is usually live. Then it is left out below. If it is not
    # live, for example after an undo, a person must check it.
    unsure = [*found.open, *(_open(change, change, new) for change in found.carried)]
    live = live_changes(transcript)
    return [
        each
        for each in unsure
        if each.before != each.after and not _overlapped(each.place, live)
    ]


def place_older_changes(transcript: Transcript, new: list[Word]) -> CarryOver:
    """Find the places of the live corrections of all older transcripts.

    If several transcripts have a correction at the same place, the correction of the
    newest transcript counts. If that correction is `open`, older ones with another text
    can be `open`, too.
    new: the original words of `transcript`.
    """
    older = transcript.siblings().filter(pk__lt=transcript.pk)
    older = older.filter(corrections__is_live=True).only("revision").distinct()
    result = CarryOver([], [], [])
    for row in older.order_by("-pk"):
        found = place_changes(original_of(row), live_changes(row), new)
        certain = [*result.satisfied, *result.carried]
        unsure = [each.place for each in result.open]
        result.satisfied.extend(
            each for each in found.satisfied if not _overlapped(each, certain)
        )
        for change in found.carried:
            if _overlapped(change, certain):
                continue
            others = _overlapped(change, unsure)
            if all(each.after == change.after for each in others):
                result.carried.append(change)
            else:
                result.open.append(_open(change, change, new))
        for left in found.open:
            others = _overlapped(left.place, [*certain, *unsure])
            is_known = any(each.after == left.after for each in others)
            if not is_known and left.place[:2] not in [each[:2] for each in certain]:
                result.open.append(left)
    return result


def _open(change: Change, place: Change, words: list[Word]) -> OpenChange:
    return OpenChange(place, words[change.first : change.last])


def _overlapped(place: Change, others: list[Change]) -> list[Change]:
    return [each for each in others if overlaps(place, each)]


def place_changes(old: list[Word], changes: list[Change], new: list[Word]) -> CarryOver:
    """Find the place of each change in the new words.

    A place is certain if both transcripts have the same word just before the place, and
    the same word just after the place. A change is `open` in two cases:
    - Its place is uncertain.
    - The new text at its place is neither the old nor the corrected text.
    """
    old_texts = [bare_word(word.text) for word in old]
    new_texts = [bare_word(word.text) for word in new]
    # Treat the start and the end as words that are the same in both texts.
    place = {-1: -1, len(old): len(new)}
    place |= align_words(old_texts, new_texts)
    known = sorted(place)
    result = CarryOver([], [], [])
    for change in changes:
        # The nearest words that both transcripts have, before and after the change.
        before = known[bisect_left(known, change.first) - 1]
        after = known[bisect_left(known, change.last)]
        here = change._replace(first=place[before] + 1, last=place[after])
        is_certain = (before, after) == (change.first - 1, change.last)
        reads = _bare_words(join_words(new[here.first : here.last]))
        was = _bare_words(join_words(old[change.first : change.last]))
        if is_certain and reads == _bare_words(change.after) and was != reads:
            result.satisfied.append(here._replace(correction=0))
        elif is_certain and reads == was and here.first < here.last:
            result.carried.append(here._replace(correction=0))
        else:
            if here.first == here.last:
                # The new text has no word here, so use the words before and after.
                here = here._replace(first=here.first - 1, last=here.last + 1)
            result.open.append(_open(change, here, old))
    return result


def _bare_words(text: str) -> list[str]:
    return [bare_word(word) for word in text.split()]
