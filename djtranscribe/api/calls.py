from typing import Annotated, Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from ninja.errors import HttpError
from pydantic import AfterValidator, ConfigDict, Field, StrictInt, WithJsonSchema

from caller import dialling, phone_numbers
from caller.forms import DialForm
from caller.models import Call
from djtranscribe.api import transcripts
from djtranscribe.api.errors import FAULTS, NOT_FOUND
from djtranscribe.api.pages import LARGEST_KEY, Period, Text, Word, page_of
from djtranscribe.api.shapes import (
    CallDetail,
    CallOut,
    CallPage,
    NotDialled,
    call_out,
    recordings_out,
)
from djtranscribe.api.tokens import Bearer, user_of
from transcription.models import Vocabulary

router = Router(tags=["calls"])


def number(value: str) -> str:
    try:
        return phone_numbers.clean_number(value)
    except ValidationError as error:
        raise ValueError(error.message) from None


class Calls(Period):
    status: Annotated[str, Word(Call.Status)] | None = Field(
        None, description="Where the call stands."
    )
    to: (
        Annotated[str, AfterValidator(number), WithJsonSchema({"type": "string"})]
        | None
    ) = Field(None, description="The number called, country code first: 14155551234.")


class Dial(Schema):
    model_config = ConfigDict(extra="forbid")

    to: str = Field(
        max_length=40,
        description="The number to call, country code first.",
        examples=["+14155551234"],
    )
    vocabulary: (
        Annotated[StrictInt, Field(ge=1, le=LARGEST_KEY)]
        | Annotated[Text, Field(min_length=1, max_length=80)]
        | None
    ) = Field(None, description="A keyword list, by name or id; else the default.")


def calls() -> QuerySet[Call]:
    return Call.objects.select_related("requested_by", "vocabulary")


@router.get(
    "/calls",
    auth=Bearer("caller.view_call"),
    response={200: CallPage, **FAULTS},
    summary="List calls",
    url_name="calls",
)
def list_calls(request: HttpRequest, asked: Query[Calls]) -> CallPage:
    """Newest first, refused attempts among them. Needs `caller.view_call`."""
    rows = asked.among(calls())
    if asked.status:
        rows = rows.filter(status=asked.status)
    if asked.to:
        rows = rows.filter(to=asked.to)
    found, next_cursor = page_of(rows, asked)
    return CallPage(items=[call_out(row) for row in found], next_cursor=next_cursor)


@router.get(
    "/calls/{uuid:uuid}",
    auth=Bearer("caller.view_call"),
    response={200: CallDetail, **FAULTS, **NOT_FOUND},
    summary="Get a call",
    url_name="call",
)
def get_call(request: HttpRequest, uuid: UUID) -> CallDetail:
    """With its recordings, if the account has `caller.view_recording`, and its
    transcripts, if it has `transcription.view_transcript`: these count as read.
    Needs `caller.view_call`."""
    call = get_object_or_404(calls(), uuid=uuid)
    recordings = None
    if request.user.has_perm("caller.view_recording"):
        recordings = recordings_out(
            call.recordings.select_related("call").defer("peaks")
        )
    read = transcripts.read_by(user_of(request), recording__call=call)
    return CallDetail(**CallOut.columns(call), recordings=recordings, transcripts=read)


@router.post(
    "/calls",
    auth=Bearer("caller.add_call", "caller.view_call"),
    response={
        201: CallOut,
        200: CallOut,
        202: CallOut,
        409: NotDialled,
        502: NotDialled,
        **FAULTS,
    },
    summary="Make a phone ring",
    openapi_extra={
        "responses": {
            201: {"description": "Twilio has placed the call."},
            200: {
                "description": "Nothing was dialled: this number is being called "
                "already, and this is that call."
            },
            202: {
                "description": "Twilio was asked and its answer was lost: the phone "
                "may be ringing. The call's status will tell."
            },
            409: {
                "description": "A rule or limit of this site forbids it. The attempt "
                "is kept, as `refused`; the same one within an hour is counted there."
            },
            502: {
                "description": "Twilio refused it or could not be reached: nothing was "
                "dialled. The attempt is kept, as `failed`."
            },
        }
    },
)
def dial(request: HttpRequest, wanted: Dial) -> Status[Any]:
    """By the rules and limits of the page, which count for the token's account. It is
    safe to ask again: a number is called once at a time.
    Needs `caller.add_call` and `caller.view_call`."""
    try:
        to = phone_numbers.clean_number(wanted.to)
    except ValidationError as error:
        raise HttpError(422, f"to: {error.message}") from None
    asked = Call(
        to=to,
        from_number=settings.TWILIO_PHONE_NUMBER,
        requested_by=user_of(request),
    )
    form = DialForm({"vocabulary": key_of(wanted.vocabulary)}, instance=asked)
    if not form.is_valid():
        raise HttpError(422, "vocabulary: There is no such keyword list.")
    dialled = dialling.dial(form.save(commit=False))
    call = get_object_or_404(calls(), pk=dialled.pk)
    status = status_of(call) if dialled is asked else 200
    if status < 400:
        return Status(status, call_out(call))
    return Status(status, NotDialled(detail=call.error, call=call_out(call)))


def status_of(call: Call) -> int:
    if call.status == Call.Status.REFUSED:
        return 409
    # One that has a SID was placed; what became of it since is no fault of the request.
    if call.status == Call.Status.FAILED and not call.sid:
        return 502
    return 202 if call.status == Call.Status.UNKNOWN else 201


def key_of(vocabulary: int | str | None) -> int | None:
    if not isinstance(vocabulary, str):
        return vocabulary
    named = Vocabulary.objects.filter(name=vocabulary)
    key = named.values_list("pk", flat=True).first()
    if key is None:
        raise HttpError(422, "vocabulary: There is no such keyword list.")
    return key
