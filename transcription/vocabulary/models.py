from django.db import models
from django.db.models import Q

from transcription.assemblyai import keyterms


class Vocabulary(models.Model):
    """A keyword list: special terms that AssemblyAI should recognise."""

    name = models.CharField(max_length=80, unique=True)
    terms = models.TextField(
        blank=True,
        validators=[keyterms.validate_terms],
        help_text="One term a line, spelled as you want to read it. At most 6 words a "
        "term and 1,000 words in all.",
    )
    custom_spellings = models.TextField(
        blank=True,
        validators=[keyterms.validate_spellings],
        help_text="One a line: what is heard = how it shall be written. Several ways "
        "of hearing with commas: k 8 s, kubernetes = Kubernetes",
    )
    is_default = models.BooleanField(
        "default list",
        default=False,
        help_text="Used for every call for which no list was chosen.",
    )

    class Meta:
        verbose_name = "keyword list"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=Q(is_default=True),
                name="one_default_vocabulary",
                violation_error_message="Another list is the default already.",
            )
        ]

    def __str__(self) -> str:
        return self.name
