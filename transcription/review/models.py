"""The journal of what people changed in a transcript.

AssemblyAI's words never change. A Revision is one save; its Corrections say which words
read otherwise. Nothing is deleted: to undo a revision is a revision, too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

from transcription.presentation import bounds_of
from transcription.words import Word, pieces_in

if TYPE_CHECKING:
    from transcription.models.transcript import Transcript


class Original(models.Model):
    """The words of a transcript as they were when its first revision was saved.

    The corrections refer to these words by index. Stored, so that an index means the
    same word after an upgrade of djtranscribe.
    """

    transcript = models.OneToOneField(
        "transcription.Transcript",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="original",
    )
    # A line for each word. A save reads the pieces alone, which is fast.
    # The word and what is before it: a space or nothing.
    pieces = models.TextField()
    # [start (ms), end (ms), confidence, speaker] as JSON.
    facts = models.TextField()
    # [first, last, speaker] of each turn on the page, `last` excluded.
    turns = models.JSONField()

    class Meta:
        verbose_name = "original words"
        verbose_name_plural = "original words"

    def __str__(self) -> str:
        return f"Original words of transcript {self.pk}"

    @classmethod
    def keep(cls, transcript: Transcript, words: list[Word]) -> None:
        cls.objects.create(
            transcript=transcript,
            pieces="\n".join(pieces_in(words)),
            facts="\n".join(json.dumps(word[1:5]) for word in words),
            turns=bounds_of(words),
        )

    @classmethod
    def pieces_of(cls, transcript: Transcript) -> list[str]:
        pieces = cls.objects.values_list("pieces", flat=True).get(pk=transcript.pk)
        return pieces.split("\n") if pieces else []

    def words(self, first: int = 0, last: int | None = None) -> list[Word]:
        """Return the words from index `first` up to `last`, which is excluded."""
        if not self.pieces:
            return []
        pieces = self.pieces.split("\n")[first:last]
        facts = json.loads(f"[{','.join(self.facts.split(chr(10))[first:last])}]")
        lines = zip(pieces, facts, strict=True)
        return [
            Word._make(
                (piece.lstrip(" "), *fact, " " * piece.startswith(" "), n, 1, 0, False)
            )
            for n, (piece, fact) in enumerate(lines, first)
        ]


class Batch(models.Model):
    """One correction in all past transcripts that have the mistake, and its progress.

    The worker carries it out, see past.py. It is undone as a whole.
    """

    heard = models.CharField(max_length=200)
    corrected = models.CharField(max_length=200)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # Keys of the transcripts, and how many of them are done.
    transcripts = models.JSONField()
    done = models.PositiveIntegerField(default=0)
    is_undoing = models.BooleanField(default=False)
    finished_at = models.DateTimeField(null=True)
    # A worker works on it until then.
    leased_until = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.heard}: {self.corrected}"

    @property
    def total(self) -> int:
        return len(self.transcripts)

    @property
    def changed(self) -> int:
        return self.revisions.filter(
            is_undone=False, kind=Revision.Kind.REPLACE
        ).count()


class Revision(models.Model):
    """One save of one person, and the unit of undo."""

    class Kind(models.TextChoices):
        EDIT = "edit", "Corrected"
        REPLACE = "replace", "Replaced everywhere"
        CARRIED = "carried", "Carried over from an older transcript"
        UNDO = "undo", "Undone"
        REDO = "redo", "Redone"
        SPEAKERS = "speakers", "Speakers named"
        VERIFY = "verify", "Verified"
        REOPEN = "reopen", "Reopened"

    transcript = models.ForeignKey(
        "transcription.Transcript", on_delete=models.CASCADE, related_name="revisions"
    )
    # 1, 2, 3 in each transcript. 0 is the transcript as AssemblyAI sent it.
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    # Of an undo or redo: the edit that was undone or redone.
    target = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, related_name="+"
    )
    # Of an edit: whether it is undone now.
    is_undone = models.BooleanField(default=False)
    # If the correction was made in all past transcripts.
    batch = models.ForeignKey(
        Batch, null=True, on_delete=models.SET_NULL, related_name="revisions"
    )
    # Of SPEAKERS: the name of each speaker since then, by what AssemblyAI calls them.
    speakers = models.JSONField(null=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True)
    # Chosen by the browser: a save that is sent twice is stored once.
    client_key = models.UUIDField(null=True)

    class Meta:
        ordering = ["transcript", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["transcript", "number"], name="one_revision_of_a_number"
            ),
            models.UniqueConstraint(
                fields=["transcript", "client_key"], name="one_revision_of_a_key"
            ),
        ]

    def __str__(self) -> str:
        return f"Revision {self.number} of transcript {self.transcript_id}"


class Correction(models.Model):
    """What a range of original words reads since a revision.

    first, last: indexes of original words, `last` excluded. They are equal only in a
    transcript without words.
    """

    revision = models.ForeignKey(
        Revision, on_delete=models.CASCADE, related_name="corrections"
    )
    # That of the revision, for the index.
    transcript = models.ForeignKey(
        "transcription.Transcript", on_delete=models.CASCADE, related_name="corrections"
    )
    first = models.PositiveIntegerField()
    last = models.PositiveIntegerField()
    # What the range read before, and what it reads since then. The same text twice: a
    # person has checked it. An empty text after: the words are removed.
    before = models.TextField()
    after = models.TextField()
    # Neither undone nor covered by a later one. Live corrections do not overlap.
    is_live = models.BooleanField(default=True)

    class Meta:
        ordering = ["revision", "pk"]
        indexes = [
            models.Index(
                fields=["transcript", "first"],
                condition=models.Q(is_live=True),
                name="correction_live",
            )
        ]

    def __str__(self) -> str:
        return f"Correction of words {self.first} to {self.last}"


class Score(models.Model):
    """How right a transcript is, as AssemblyAI wrote it, against a verified one.

    Counts, never rates: they can be summed. See review/scores.py.
    """

    transcript = models.OneToOneField(
        "transcription.Transcript", on_delete=models.CASCADE, related_name="score"
    )
    # The verified transcript of the same recording. It may be the same one.
    reference = models.ForeignKey(
        "transcription.Transcript", on_delete=models.CASCADE, related_name="+"
    )
    # Occurrences of keyterms in the reference, and those that are written right.
    terms = models.PositiveIntegerField()
    terms_right = models.PositiveIntegerField()
    # Keyterms that are written where the reference has none.
    false_terms = models.PositiveIntegerField()
    # Words of the reference, and words replaced, left out or added.
    words = models.PositiveIntegerField()
    words_wrong = models.PositiveIntegerField()
    # Name and version of what made both texts comparable.
    normaliser = models.CharField(max_length=40)
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return (
            f"{self.terms_right} of {self.terms} terms right, "
            f"{self.words_wrong} of {self.words} words wrong"
        )


class Mistake(models.Model):
    """What was heard, and what people have corrected it to, over all transcripts.

    Counted when a correction is saved or undone, so that no page has to count.
    """

    # Without case and punctuation at the ends. Of at most mistakes.MOST_WORDS words.
    heard = models.CharField(max_length=200)
    corrected = models.CharField(max_length=200)
    transcripts = models.PositiveIntegerField(default=0)
    # Somebody has put it into a keyword list, or does not want to see it.
    is_settled = models.BooleanField(default=False)

    class Meta:
        ordering = ["-transcripts", "heard"]
        constraints = [
            models.UniqueConstraint(fields=["heard", "corrected"], name="one_mistake")
        ]
        indexes = [
            models.Index(
                fields=["is_settled", "-transcripts", "heard"], name="mistake_by_count"
            )
        ]

    def __str__(self) -> str:
        return f"{self.heard}: {self.corrected}"
