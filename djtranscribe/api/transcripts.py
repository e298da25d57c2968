from typing import Annotated, Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from ninja.errors import HttpError
from pydantic import Field, StrictInt

from djtranscribe.api.errors import FAULTS, NOT_FOUND
from djtranscribe.api.pages import (
    MAX_KEY,
    OneOf,
    Parameters,
    Period,
    Text,
    encode_cursor,
    offset,
    page_of,
)
from djtranscribe.api.shapes import (
    CorrectionOut,
    Disputed,
    Problem,
    TranscriptDetail,
    TranscriptOut,
    TranscriptPage,
    transcripts_out,
    word_fields,
)
from djtranscribe.api.tokens import Bearer, user_of
from djtranscribe.models import Access
from transcription.exports import views
from transcription.exports.content import OneVersionOnly, Options, Version
from transcription.exports.fonts import MissingFont
from transcription.exports.formats import FORMATS
from transcription.models import Transcript
from transcription.review import editing
from transcription.review.current import Change
from transcription.review.rules import MAX_CHANGES, Conflict, Refused
from transcription.search import finding
from transcription.search.operators import BadOperator
from transcription.search.query import MAX_LENGTH, parse

router = Router(tags=["transcripts"])


class TranscriptFilters(Period):
    status: Annotated[str, OneOf(Transcript.Status)] | None = Field(
        None, description="Only transcripts with this status."
    )
    q: Text | None = Field(
        None,
        max_length=MAX_LENGTH,
        description='Search: words, "exact phrases", -not, prefix*, and operators such '
        "as tag:billing and after:2026-11-01 (docs/using.md). Days are in the time "
        "zone of the account. Returns the best matches first, from the "
        f"{finding.MAX_RESULTS:,} newest matches. Without words: the newest first.",
    )


class Detail(Parameters):
    words: bool = Field(False, description="Include every word with its times.")


class CorrectionIn(Schema):
    first: Annotated[StrictInt, Field(ge=0, le=MAX_KEY)] = Field(
        description="Index of the first word in `original_words`."
    )
    last: Annotated[StrictInt, Field(ge=0, le=MAX_KEY)] = Field(
        description="Index after the last word."
    )
    text: str = Field(
        description="The new text of these words. Empty: remove the words. To mark the "
        "words as right, send their present text."
    )


class Corrections(Schema):
    revision: Annotated[StrictInt, Field(ge=0, le=MAX_KEY)] = Field(
        description="The `revision` of the transcript on which your corrections are "
        "based."
    )
    corrections: list[CorrectionIn] = Field(max_length=MAX_CHANGES)
    key: UUID | None = Field(
        None,
        description="A UUID that you choose. A repeated request with the same key is "
        "saved only once.",
    )


class Export(Parameters):
    times: int = Field(0, ge=0, le=1, description="1 to include times.")
    speakers: int = Field(0, ge=0, le=1, description="1 to include speakers.")
    version: Annotated[str, OneOf(Version)] = Field(
        Version.CURRENT,
        description="With the corrections, as AssemblyAI wrote it, or both. Subtitles "
        "cannot have both.",
    )


def transcripts() -> QuerySet[Transcript]:
    related = Transcript.objects.select_related("recording__call", "vocabulary")
    return related.defer("words", *Transcript.LARGE_COLUMNS)


def log_and_serialize(user: User, rows: list[Transcript]) -> list[TranscriptOut]:
    """Return the rows for a response. Log that the user read each row with a text."""
    Access.objects.log(user, Access.Action.READ, [row for row in rows if row.text])
    return transcripts_out(rows)


def transcripts_for_user(user: User, **of: Any) -> list[TranscriptOut] | None:
    """Return transcripts and record that the user read them.

    Returns None if the user may not read transcripts. The parameter `of` is the lookup
    for the call or recording, such as `recording=…`.
    """
    if not user.has_perm("transcription.view_transcript"):
        return None
    return log_and_serialize(user, list(transcripts().filter(**of)))


@router.get(
    "/transcripts",
    auth=Bearer("transcription.view_transcript"),
    response={200: TranscriptPage, **FAULTS},
    summary="List or search transcripts",
    url_name="transcripts",
)
def list_transcripts(
    request: HttpRequest, params: Query[TranscriptFilters]
) -> TranscriptPage:
    """Newest first, or best match first with `q`. *Access log* records that the
    account read these texts. Needs `transcription.view_transcript`."""
    rows = params.within(transcripts())
    if params.status:
        rows = rows.filter(status=params.status)
    if params.q is None:
        found, next_cursor = page_of(rows, params)
    else:
        found, next_cursor = search_page(rows, params, params.q)
    items = log_and_serialize(user_of(request), found)
    return TranscriptPage(items=items, next_cursor=next_cursor)


def search_page(
    rows: QuerySet[Transcript], params: TranscriptFilters, text: str
) -> tuple[list[Transcript], str | None]:
    """Return one page of search results, and the cursor of the next page."""
    query = parse(text)
    if not query:
        raise HttpError(
            422, "q: Add at least one word without a minus sign, or an operator."
        )
    try:
        keys = finding.ranked_keys(query, rows)
    except finding.TooFrequent:
        raise HttpError(
            422,
            "q: This search has too many matches and takes too long. Add a rarer word "
            "or a day, such as after:2026-11-01.",
        ) from None
    except BadOperator as error:
        raise HttpError(422, f"q: {error}") from None
    start = offset(params.cursor)
    end = start + params.limit
    by_key = rows.in_bulk(keys[start:end])
    found = [by_key[pk] for pk in keys[start:end] if pk in by_key]
    return found, encode_cursor(str(end)) if end < len(keys) else None


@router.get(
    "/transcripts/{uuid:uuid}",
    auth=Bearer("transcription.view_transcript"),
    response={200: TranscriptDetail, **FAULTS, **NOT_FOUND},
    summary="Get a transcript",
    url_name="transcript",
)
def get_transcript(
    request: HttpRequest, uuid: UUID, params: Query[Detail]
) -> TranscriptDetail:
    """If the transcript has a text, *Access log* records that the account read it.
    Needs `transcription.view_transcript`."""
    return detail(request, uuid, params.words)


def detail(request: HttpRequest, uuid: UUID, with_words: bool) -> TranscriptDetail:
    unused = {"words", *Transcript.LARGE_COLUMNS} - {"original_text"}
    if with_words:
        unused.remove("words")
    rows = transcripts().defer(None).defer(*unused)
    transcript = get_object_or_404(rows, uuid=uuid)
    # If a person has removed all words, the user still reads the original text.
    if transcript.text or transcript.uncorrected_text:
        Access.objects.log(user_of(request), Access.Action.READ, [transcript])
    [out] = transcripts_out([transcript])
    return TranscriptDetail(
        **out.dict(),
        original_text=transcript.uncorrected_text,
        **(word_fields(transcript) if with_words else {}),
    )


@router.patch(
    "/transcripts/{uuid:uuid}",
    auth=Bearer("transcription.view_transcript", "transcription.correct_transcript"),
    response={
        200: TranscriptDetail,
        400: Problem,
        409: Disputed,
        **FAULTS,
        **NOT_FOUND,
    },
    summary="Correct a transcript",
    url_name="correct",
)
def correct_transcript(
    request: HttpRequest, uuid: UUID, body: Corrections
) -> Status[Any]:
    """Saves all corrections as one revision, or none. 400: a correction or `revision`
    is not valid. 409: the transcript is verified, or somebody else has corrected the
    same words since `revision`. *Access log* records the transcript as read.
    Needs `transcription.view_transcript` and `transcription.correct_transcript`."""
    transcript = get_object_or_404(transcripts(), uuid=uuid)
    changes = [Change(each.first, each.last, each.text) for each in body.corrections]
    try:
        editing.save(
            transcript,
            user_of(request),
            body.revision,
            changes,
            client_key=body.key,
        )
    except Refused as error:
        return Status(400, Problem(detail=str(error)))
    except Conflict as error:
        now = [
            CorrectionOut(first=each.first, last=each.last, text=each.after)
            for each in error.now
        ]
        return Status(409, Disputed(detail=str(error), corrections=now))
    return Status(200, detail(request, uuid, with_words=False))


@router.get(
    "/transcripts/{uuid:uuid}/export/{str:extension}",
    auth=Bearer("transcription.view_transcript"),
    response={**FAULTS, **NOT_FOUND},
    summary="Get a transcript as a file",
    description=f"The extension is one of {', '.join(FORMATS)}. *Access log* "
    "records the transcript as read. Needs `transcription.view_transcript`.",
    url_name="export",
    openapi_extra={
        "responses": {
            200: {
                "description": "The file.",
                "content": {
                    kind.content_type.partition(";")[0]: {
                        "schema": {"type": "string", "format": "binary"},
                    }
                    for kind in FORMATS.values()
                },
            }
        }
    },
)
def export(
    request: HttpRequest, uuid: UUID, extension: str, params: Query[Export]
) -> HttpResponse:
    options = Options(bool(params.times), bool(params.speakers), params.version)
    try:
        return views.file_of(user_of(request), uuid, extension, options)
    except (MissingFont, OneVersionOnly) as error:
        raise HttpError(422, str(error)) from None
