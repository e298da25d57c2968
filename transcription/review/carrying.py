"""Carry corrections over to a new transcript of the same recording."""

import logging
from typing import NamedTuple

from django.db import Error, OperationalError, transaction

from transcription.models import Revision, Transcript
from transcription.review import editing
from transcription.review.current import Change, live, original_of
from transcription.review.rules import Conflict, Refused
from transcription.review.scores import partners
from transcription.words import Word, bare, joined

logger = logging.getLogger(__name__)


class Carried(NamedTuple):
    """The corrections of an older transcript, grouped by what happens to them.

    `carried` has indexes of the new words. `satisfied` and `open` have indexes of the
    old words.
    """

    satisfied: list[Change]  # the new transcript already has the right text
    carried: list[Change]  # the new transcript has the same mistake
    open: list[Change]  # a person must check these


def carry_over(transcript: Transcript) -> None:
    """Apply the corrections of the older transcript to a new one, see `older_review`.

    An error in this must not cost the new text, which is paid for. So it is only
    logged, unless the database is busy or down.
    """
    try:
        with transaction.atomic():
            _carry_over(Transcript.objects.get(pk=transcript.pk))
    except OperationalError:
        raise
    except Exception as error:
        # Do not log messages of these classes: they may quote the words.
        logger.error(
            "transcript=%s corrections_not_carried_over error=%s",
            transcript.uuid,
            type(error).__name__,
            exc_info=not isinstance(error, (Conflict, Error, Refused)),
        )


def _carry_over(transcript: Transcript) -> None:
    older = older_review(transcript)
    if older is None or transcript.revision:
        return
    changes = carried(original_of(older), live(older), original_of(transcript)).carried
    if changes:
        editing.save(transcript, None, 0, changes, kind=Revision.Kind.CARRIED)


def older_review(transcript: Transcript) -> Transcript | None:
    """Return the newest of the recording's older transcripts that have a revision."""
    older = transcript.siblings().filter(pk__lt=transcript.pk)
    return older.exclude(revision=None).order_by("pk").last()


def left_open(transcript: Transcript) -> list[Change]:
    """Return the older transcript's corrections that a person must check again."""
    older = older_review(transcript)
    if older is None:
        return []
    return carried(original_of(older), live(older), original_of(transcript)).open


def carried(old: list[Word], changes: list[Change], new: list[Word]) -> Carried:
    """Find the place of each change in the new words.

    A place is certain only if both transcripts have the same word before it and the
    same word after it. If a place is uncertain, the change goes to `open`.
    """
    old_texts = [bare(word.text) for word in old]
    new_texts = [bare(word.text) for word in new]
    # Treat the start and the end as words that are the same in both texts.
    place = {-1: -1, len(old): len(new)}
    place |= partners(old_texts, new_texts)
    result = Carried([], [], [])
    for change in changes:
        before, after = place.get(change.first - 1), place.get(change.last)
        if before is None or after is None:
            result.open.append(change)
            continue
        here = Change(before + 1, after, change.after)
        reads = _bare(joined(new[here.first : here.last]))
        was = _bare(joined(old[change.first : change.last]))
        if reads == _bare(change.after) and was != reads:
            result.satisfied.append(change)
        elif reads == was and here.first < here.last:
            result.carried.append(here)
        else:
            result.open.append(change)
    return result


def _bare(text: str) -> list[str]:
    return [bare(word) for word in text.split()]
