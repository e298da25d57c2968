from typing import Annotated, Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router
from ninja.errors import HttpError
from pydantic import Field

from djtranscribe.api.errors import FAULTS, NOT_FOUND
from djtranscribe.api.pages import (
    Parameters,
    Period,
    Text,
    Word,
    offset,
    packed,
    page_of,
)
from djtranscribe.api.shapes import (
    TranscriptDetail,
    TranscriptOut,
    TranscriptPage,
    spoken,
    transcripts_out,
)
from djtranscribe.api.tokens import Bearer, user_of
from djtranscribe.models import Access, zone_of
from transcription import views
from transcription.exports import formats as exports
from transcription.models import Transcript
from transcription.search import query as search

router = Router(tags=["transcripts"])
HEAVY = ("words", "response", "request", "recording__peaks")


class Transcripts(Period):
    status: Annotated[str, Word(Transcript.Status)] | None = Field(
        None, description="Where the transcript stands."
    )
    q: Text | None = Field(
        None,
        max_length=search.MAX_LENGTH,
        description='Search: words, "exact phrases", -not, prefix*. The answer is the '
        f"best first, of the {search.RANKED:,} newest that match.",
    )


class Detail(Parameters):
    words: bool = Field(False, description="With every word and when it is said.")


class Export(Parameters):
    times: int = Field(0, ge=0, le=1, description="1: with times.")
    speakers: int = Field(0, ge=0, le=1, description="1: with speakers.")


def transcripts() -> QuerySet[Transcript]:
    related = Transcript.objects.select_related("recording__call", "vocabulary")
    return related.defer(*HEAVY)


def read(user: User, rows: list[Transcript]) -> list[TranscriptOut]:
    """Of what has no text yet nothing was read."""
    Access.objects.note(user, Access.Action.READ, [row for row in rows if row.text])
    return transcripts_out(rows)


def read_by(user: User, **of: Any) -> list[TranscriptOut] | None:
    """Those of a call or recording; None if this user may not read."""
    if not user.has_perm("transcription.view_transcript"):
        return None
    return read(user, list(transcripts().filter(**of)))


@router.get(
    "/transcripts",
    auth=Bearer("transcription.view_transcript"),
    response={200: TranscriptPage, **FAULTS},
    summary="List or search transcripts",
    url_name="transcripts",
)
def list_transcripts(request: HttpRequest, asked: Query[Transcripts]) -> TranscriptPage:
    """Newest first, or with `q` the best first. All on the page count as read.
    Needs `transcription.view_transcript`."""
    rows = asked.among(transcripts())
    if asked.status:
        rows = rows.filter(status=asked.status)
    if asked.q is None:
        found, next_cursor = page_of(rows, asked)
    else:
        found, next_cursor = hits(rows, asked, asked.q)
    items = read(user_of(request), found)
    return TranscriptPage(items=items, next_cursor=next_cursor)


def hits(
    rows: QuerySet[Transcript], asked: Transcripts, typed: str
) -> tuple[list[Transcript], str | None]:
    query = search.parse(typed)
    if not query:
        raise HttpError(422, "q: At least one word that must be there is needed.")
    try:
        keys = search.ranked(query)
    except search.TooFrequent:
        raise HttpError(
            422,
            "q: These words stand in nearly every transcript, and looking for them "
            "takes too long. Add a rarer word.",
        ) from None
    kept = set(rows.filter(pk__in=keys).values_list("pk", flat=True))
    keys = [pk for pk in keys if pk in kept]
    start = offset(asked.cursor)
    end = start + asked.limit
    by_key = rows.in_bulk(keys[start:end])
    found = [by_key[pk] for pk in keys[start:end] if pk in by_key]
    return found, packed(str(end)) if end < len(keys) else None


@router.get(
    "/transcripts/{uuid:uuid}",
    auth=Bearer("transcription.view_transcript"),
    response={200: TranscriptDetail, **FAULTS, **NOT_FOUND},
    summary="Get a transcript",
    url_name="transcript",
)
def get_transcript(
    request: HttpRequest, uuid: UUID, asked: Query[Detail]
) -> TranscriptDetail:
    """Counts as read. Needs `transcription.view_transcript`."""
    rows = transcripts()
    if asked.words:
        light = [name for name in HEAVY if name != "words"]
        rows = rows.defer(None).defer(*light)
    transcript = get_object_or_404(rows, uuid=uuid)
    [out] = read(user_of(request), [transcript])
    words, utterances = spoken(transcript) if asked.words else (None, None)
    return TranscriptDetail(**out.dict(), words=words, utterances=utterances)


@router.get(
    "/transcripts/{uuid:uuid}/export/{str:extension}",
    auth=Bearer("transcription.view_transcript"),
    response={**FAULTS, **NOT_FOUND},
    summary="Get a transcript as a file",
    description=f"The extension is one of {', '.join(exports.FORMATS)}. Counts as "
    "read. Needs `transcription.view_transcript`.",
    url_name="export",
    openapi_extra={
        "responses": {
            200: {
                "description": "The file.",
                "content": {
                    kind.content_type.partition(";")[0]: {
                        "schema": {"type": "string", "format": "binary"},
                    }
                    for kind in exports.FORMATS.values()
                },
            }
        }
    },
)
def export(
    request: HttpRequest, uuid: UUID, extension: str, asked: Query[Export]
) -> HttpResponseBase:
    with timezone.override(zone_of(user_of(request))):
        return views.export(request, uuid=uuid, extension=extension)
