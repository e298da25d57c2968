"""The journal of what people changed in a transcript.

AssemblyAI's words never change. A Revision is one save. Each of its Corrections
gives a new text to a range of words. Nothing is deleted: an undo is stored as a new
revision.
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
    """The original words of a transcript, stored with its first revision.

    Corrections refer to these words by index. The words are stored, because a newer
    djtranscribe may compute a different list from AssemblyAI's response.
    """

    transcript = models.OneToOneField(
        "transcription.Transcript",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="original",
    )
    # One line per word. A line begins with a space if the text has one before the word.
    # A separate column, because saving corrections needs no `facts`.
    pieces = models.TextField()
    # One line per word: [start (ms), end (ms), confidence, speaker] as JSON.
    facts = models.TextField()
    # [first, end, speaker] of each turn on the page: indexes of words, `end` excluded.
    turns = models.JSONField()

    class Meta:
        verbose_name = "original words"
        verbose_name_plural = "original words"

    def __str__(self) -> str:
        return f"Original words of transcript {self.pk}"

    @classmethod
    def store(cls, transcript: Transcript, words: list[Word]) -> None:
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

    def words(self, first: int = 0, end: int | None = None) -> list[Word]:
        """Return the words from index `first` up to `end`, which is excluded."""
        if not self.pieces:
            return []
        pieces = self.pieces.split("\n")[first:end]
        facts = json.loads(f"[{','.join(self.facts.split(chr(10))[first:end])}]")
        lines = zip(pieces, facts, strict=True)
        return [
            Word._make((piece.lstrip(" "), *fact, " " * piece.startswith(" "), n, 1, 0))
            for n, (piece, fact) in enumerate(lines, first)
        ]


class Revision(models.Model):
    """One save. An undo always undoes a whole revision."""

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
    # 1, 2, 3 and so on in each transcript. In `editing.save` and in the API, 0 means
    # that there is no revision yet.
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    # Only set for UNDO and REDO: the edit that was undone or redone.
    target = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, related_name="+"
    )
    # Whether this revision is undone now. Only kinds in editing.EDITS can be undone.
    is_undone = models.BooleanField(default=False)
    # Set if this save is a part of a Batch.
    batch = models.ForeignKey(
        "transcription.Batch",
        null=True,
        on_delete=models.SET_NULL,
        related_name="revisions",
    )
    # Only set for SPEAKERS: {original name: new name}, such as
    # {"A": "Ms Smith"}.
    speakers = models.JSONField(null=True)
    # Null for CARRIED, or if the account was deleted.
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True)
    # The client chooses the key. A second save with the same key is not stored.
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
    """The new text that a revision gives to a range of original words.

    first, last: indexes of original words, `last` excluded. Both are 0 in a transcript
    without words.
    """

    revision = models.ForeignKey(
        Revision, on_delete=models.CASCADE, related_name="corrections"
    )
    # The transcript of the revision. Repeated here for the index below.
    transcript = models.ForeignKey(
        "transcription.Transcript", on_delete=models.CASCADE, related_name="corrections"
    )
    first = models.PositiveIntegerField()
    last = models.PositiveIntegerField()
    # The text of the range before the revision.
    before = models.TextField()
    # The new text: the same as `before` if a person has confirmed the text, and empty
    # if the words are removed.
    after = models.TextField()
    # False if this correction is undone, or if a later correction replaces it. Live
    # corrections do not overlap.
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
    """How correct AssemblyAI's text is, compared with a verified transcript.

    The columns are counts, because rates cannot be summed. See review/scores.py.
    """

    transcript = models.OneToOneField(
        "transcription.Transcript", on_delete=models.CASCADE, related_name="score"
    )
    # The verified transcript of the same recording. It may be `transcript` itself.
    reference = models.ForeignKey(
        "transcription.Transcript", on_delete=models.CASCADE, related_name="+"
    )
    # Number of keyterms in the reference, and how many of these are right in
    # `transcript`. A keyterm that occurs twice counts twice.
    terms = models.PositiveIntegerField()
    terms_right = models.PositiveIntegerField()
    # How often `transcript` has a keyterm where the reference does not have it.
    false_terms = models.PositiveIntegerField()
    # `words`: number of words in the reference. `words_wrong`: number of words that are
    # replaced, left out or added in `transcript`.
    words = models.PositiveIntegerField()
    words_wrong = models.PositiveIntegerField()
    # Name and version of the normaliser that prepared both texts for the comparison.
    normaliser = models.CharField(max_length=40)
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return (
            f"{self.terms_right} of {self.terms} terms right, "
            f"{self.words_wrong} word errors in {self.words} words"
        )


class Mistake(models.Model):
    """A wrong text, its correction, and the number of transcripts with this correction.

    mistakes.py updates the number.
    """

    # Neither text begins or ends with punctuation. Each has at most mistakes.MAX_WORDS
    # words. `heard` is in lower case.
    heard = models.CharField(max_length=200)
    corrected = models.CharField(max_length=200)
    transcripts = models.PositiveIntegerField(default=0)
    # A settled correction is not suggested: somebody has dismissed it, or added it to a
    # keyword list.
    is_settled = models.BooleanField(default=False)
    # When the correction was added to a keyword list. Set to null again when somebody
    # dismisses the correction, or applies it to past transcripts.
    added_at = models.DateTimeField(null=True)

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
