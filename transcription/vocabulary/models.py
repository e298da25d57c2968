from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q

from caller import number_facts
from caller.models import Contact
from djtranscribe.retention import RetentionPeriods
from transcription.assemblyai import keyterms
from transcription.review.models import Revision
from transcription.vocabulary.numbers import validate_numbers


class VocabularyQuerySet(models.QuerySet["Vocabulary"]):
    def find_for_number(self, number: str = "") -> Vocabulary | None:
        """Return the keyword list for calls with this number, or None.

        It is the first of these lists that exists:
        - The list of the number's contact.
        - The list with the longest beginning of the number, such as +1415.
        - A list with the number's country, such as US.
        - The default list.
        """
        contacts = Contact.objects.filter(
            numbers__number=number, vocabulary=OuterRef("pk")
        )
        lists: list[Any] = list(
            self.annotate(is_of_contact=Exists(contacts)).filter(
                Q(is_of_contact=True) | Q(is_default=True) | ~Q(numbers="")
            )
        )
        ranked = [
            ((each.is_of_contact, each.match_score(number)), each.pk, each)
            for each in lists
        ]
        fit, _, best = max(ranked, default=((False, 0), 0, None))
        default = next((each for each in lists if each.is_default), None)
        found: Vocabulary | None = best if any(fit) else default
        return found


class Vocabulary(RetentionPeriods):
    """A keyword list: special terms that AssemblyAI should recognise."""

    class Domain(models.TextChoices):
        # AssemblyAI's value: assemblyai.com/docs/pre-recorded-audio/medical-mode
        MEDICAL = "medical-v1", "Medical (AssemblyAI charges extra for it)"

    # Fields that are sent to AssemblyAI. A change of one of them makes a new version.
    SENT_FIELDS = ("terms", "custom_spellings", "prompt", "domain")

    name = models.CharField(max_length=80, unique=True)
    terms = models.TextField(
        blank=True,
        validators=[keyterms.validate_terms],
        help_text="One term per line, spelled as it should appear in the transcript. "
        "Add only terms that AssemblyAI often gets wrong: it would write common words "
        "where nobody said them. At most 6 words per term and 1,000 words in total.",
    )
    custom_spellings = models.TextField(
        blank=True,
        validators=[keyterms.validate_spellings],
        help_text="One rule per line: heard = written. Separate several heard forms by "
        "commas: k 8 s, kubernetes = Kubernetes",
    )
    prompt = models.TextField(
        "context",
        blank=True,
        default="",
        validators=[keyterms.validate_prompt],
        help_text="What these calls are about, such as: cardiology follow-up call. "
        "Models without this feature ignore it.",
    )
    domain = models.CharField(
        "special mode", max_length=20, choices=Domain.choices, blank=True, default=""
    )
    numbers = models.TextField(
        "use for calls to",
        blank=True,
        default="",
        validators=[validate_numbers],
        help_text="Used for calls to these numbers if no list is chosen. One per line: "
        "a country such as DE, or the first digits of a number, such as +1415.",
    )
    notes = models.TextField(
        blank=True, default="", help_text="For you. Not sent to AssemblyAI."
    )
    is_default = models.BooleanField(
        "default list",
        default=False,
        help_text="Used if no list was chosen and no list fits the contact or the "
        "number.",
    )
    version = models.PositiveIntegerField(default=1, editable=False)

    objects = VocabularyQuerySet.as_manager()

    class Meta:
        verbose_name = "keyword list"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=Q(is_default=True),
                name="one_default_vocabulary",
                violation_error_message="Another list is already the default. Untick "
                "“default list” there first.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, author: Any = None, **kwargs: Any) -> None:
        """Save. Add a version if the list is new or a field in SENT_FIELDS has changed.

        author: the account that makes the change, for the version.
        """
        with transaction.atomic():
            stored = Vocabulary.objects.select_for_update().filter(pk=self.pk).first()
            is_new = stored is None or stored.content != self.content
            if stored:
                # Count from `stored`: somebody may have saved since `self` was loaded.
                self.version = stored.version + is_new
            super().save(*args, **kwargs)
            if is_new:
                VocabularyVersion.objects.create(
                    vocabulary=self,
                    number=self.version,
                    author=author,
                    **self.content,
                )

    @property
    def content(self) -> dict[str, str]:
        # Browsers send \r\n, which must not count as a change.
        return {
            name: getattr(self, name).replace("\r\n", "\n") for name in self.SENT_FIELDS
        }

    def match_score(self, number: str) -> int:
        """Return how well this keyword list fits a phone number. 0: it does not fit.

        Return the highest score of the lines in `numbers`:
        - The country of the phone number, such as US: 1.
        - The beginning of the phone number, such as +1415: 1 + the length of the line.
        - Any other line: 0.
        """
        country = number_facts.country_code(number) if number else ""
        fits = 0
        for line in keyterms.terms_of(self.numbers):
            if line.startswith("+") and number.startswith(line):
                fits = max(fits, 1 + len(line))
            elif line == country:
                fits = max(fits, 1)
        return fits


class VocabularyVersion(models.Model):
    """The content (SENT_FIELDS) of one version of a keyword list. It never changes."""

    vocabulary = models.ForeignKey(
        Vocabulary, on_delete=models.CASCADE, related_name="versions"
    )
    number = models.PositiveIntegerField()
    terms = models.TextField(blank=True)
    custom_spellings = models.TextField(blank=True)
    prompt = models.TextField(blank=True)
    domain = models.CharField(max_length=20, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "version"
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["vocabulary", "number"], name="one_version_of_a_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.vocabulary}, version {self.number}"


class Batch(models.Model):
    """One correction that is made in many past transcripts, and its progress.

    A worker corrects in the background, see past_transcripts.py. A batch can be undone
    as a whole.
    """

    heard = models.CharField(max_length=200)
    corrected = models.CharField(max_length=200)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # Primary keys of the transcripts. `done`: how many of them a worker has processed.
    # An undo counts from 0 again.
    transcripts = models.JSONField()
    done = models.PositiveIntegerField(default=0)
    is_undoing = models.BooleanField(default=False)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    finished_at = models.DateTimeField(null=True)
    # A worker holds this row until this time. Null or past: no worker holds the row.
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
