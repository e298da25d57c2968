"""The rule that says which transcripts need attention. An index uses this rule."""

from typing import Any

from django.db.models import F, Func, SmallIntegerField

# The index `transcript_by_concern` contains the values below. If you change a value,
# add a migration that rebuilds the index: Django does not notice the change.

# If the average confidence (0 to 1) is lower than this, people should check the words.
LOW_CONFIDENCE = 0.6
# Statuses of transcripts, as strings: `caller` must not import `transcription`.
COMPLETED, FAILED = "completed", "error"


class IsConcern(Func):
    """SQL expression: 1 if a transcript needs attention, 0 if not.

    A transcript needs attention if it failed, has no words, or is below LOW_CONFIDENCE.
    LOW_CONFIDENCE and the statuses are written into the SQL. If they were parameters,
    the SQL would differ from the expression of the index, and SQLite would not use the
    index.
    path: lookup path to the transcript, such as `recordings__transcripts__`.
    """

    output_field = SmallIntegerField()

    def __init__(self, path: str = "", **extra: Any) -> None:
        columns = [F(f"{path}{name}") for name in ("status", "text", "confidence")]
        super().__init__(*columns, **extra)

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: Any, **options: Any
    ) -> tuple[str, list[Any]]:
        status, text, confidence = (
            compiler.compile(column)[0] for column in self.source_expressions
        )
        statement = (
            f"(CASE WHEN {status} = '{FAILED}' THEN 1 "
            f"WHEN {status} = '{COMPLETED}' AND {text} = '' THEN 1 "
            f"WHEN {confidence} < {LOW_CONFIDENCE} THEN 1 ELSE 0 END)"
        )
        return statement, []
