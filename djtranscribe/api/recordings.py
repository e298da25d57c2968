from typing import Annotated

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from ninja import Query, Router
from ninja.errors import HttpError
from pydantic import Field

from caller.models import Recording
from caller.recordings import views
from djtranscribe.api import transcripts
from djtranscribe.api.errors import FAULTS, NOT_FOUND
from djtranscribe.api.pages import OneOf, Period, page_of
from djtranscribe.api.shapes import (
    Problem,
    RecordingDetail,
    RecordingOut,
    RecordingPage,
    recordings_out,
)
from djtranscribe.api.tokens import Bearer, user_of

router = Router(tags=["recordings"])
BINARY = {"schema": {"type": "string", "format": "binary"}}


class RecordingFilters(Period):
    status: Annotated[str, OneOf(Recording.Status)] | None = Field(
        None, description="Only recordings with this status."
    )


def recordings() -> QuerySet[Recording]:
    return Recording.objects.select_related("call").defer("peaks")


@router.get(
    "/recordings",
    auth=Bearer("caller.view_recording"),
    response={200: RecordingPage, **FAULTS},
    summary="List recordings",
    url_name="recordings",
)
def list_recordings(
    request: HttpRequest, params: Query[RecordingFilters]
) -> RecordingPage:
    """Newest first. Needs `caller.view_recording`."""
    rows = params.within(recordings())
    if params.status:
        rows = rows.filter(status=params.status)
    found, next_cursor = page_of(rows, params)
    return RecordingPage(items=recordings_out(found), next_cursor=next_cursor)


@router.get(
    "/recordings/{int:id}",
    auth=Bearer("caller.view_recording"),
    response={200: RecordingDetail, **FAULTS, **NOT_FOUND},
    summary="Get a recording",
    url_name="recording",
)
def get_recording(request: HttpRequest, id: int) -> RecordingDetail:
    """Includes the transcripts if the account has `transcription.view_transcript`.
    *Access log* records that the account read their texts.
    Needs `caller.view_recording`."""
    recording = get_object_or_404(recordings(), pk=id)
    read = transcripts.transcripts_for_user(user_of(request), recording=recording)
    return RecordingDetail(**RecordingOut.columns(recording), transcripts=read)


@router.get(
    "/recordings/{int:id}/audio",
    auth=Bearer("caller.view_recording"),
    response={**FAULTS, **NOT_FOUND, 503: Problem},
    summary="Get the audio",
    url_name="recording-audio",
    openapi_extra={
        "parameters": [
            {
                "in": "header",
                "name": "Range",
                "required": False,
                "description": "A single range of bytes, such as bytes=0-65535.",
                "schema": {"type": "string"},
            }
        ],
        "responses": {
            200: {
                "description": "The original file, from Twilio or from an operator.",
                "content": {"audio/*": BINARY},
            },
            206: {
                "description": "The requested bytes.",
                "content": {"audio/*": BINARY},
            },
            416: {"description": "The file ends before that range. There is no body."},
        },
    },
)
def get_audio(request: HttpRequest, id: int) -> HttpResponseBase:
    """Logs that the account listened to the audio. Needs `caller.view_recording`."""
    recording = get_object_or_404(recordings(), pk=id)
    try:
        return views.audio_of(recording, request)
    except Http404 as error:
        # Keep the reason, for example that the audio is not stored yet. It tells a
        # program whether to retry.
        raise HttpError(404, str(error)) from None
    except views.StorageFault as error:
        raise HttpError(503, str(error)) from None
