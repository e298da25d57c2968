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
from djtranscribe.api.pages import MAX_KEY, OneOf, Period, Text, page_of
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


def valid_number(value: str) -> str:
    try:
        return phone_numbers.normalise_number(value)
    except ValidationError as error:
        raise ValueError(error.message) from None


class CallFilters(Period):
    status: Annotated[str, OneOf(Call.Status)] | None = Field(
        None, description="Only calls with this status."
    )
    to: (
        Annotated[str, AfterValidator(valid_number), WithJsonSchema({"type": "string"})]
        | None
    ) = Field(
        None,
        description="The other party's number: the number that we called, or that "
        "called us. With its country code: 14155551234.",
    )


class Dial(Schema):
    model_config = ConfigDict(extra="forbid")

    to: str = Field(
        max_length=40,
        description="The number to call, with its country code.",
        examples=["+14155551234"],
    )
    vocabulary: (
        Annotated[StrictInt, Field(ge=1, le=MAX_KEY)]
        | Annotated[Text, Field(min_length=1, max_length=80)]
        | None
    ) = Field(
        None,
        description="The name or id of a keyword list. Without it, the list of the "
        "contact, number or country is used, else the default list.",
    )


def calls() -> QuerySet[Call]:
    return Call.objects.with_contact_name().select_related(
        "requested_by", "vocabulary", "leg"
    )


@router.get(
    "/calls",
    auth=Bearer("caller.view_call"),
    response={200: CallPage, **FAULTS},
    summary="List calls",
    url_name="calls",
)
def list_calls(request: HttpRequest, params: Query[CallFilters]) -> CallPage:
    """Newest first, including refused attempts. Needs `caller.view_call`."""
    rows = params.within(calls())
    if params.status:
        rows = rows.filter(status=params.status)
    if params.to:
        rows = rows.filter(other_number=params.to)
    found, next_cursor = page_of(rows, params)
    return CallPage(items=[call_out(row) for row in found], next_cursor=next_cursor)


@router.get(
    "/calls/{uuid:uuid}",
    auth=Bearer("caller.view_call"),
    response={200: CallDetail, **FAULTS, **NOT_FOUND},
    summary="Get a call",
    url_name="call",
)
def get_call(request: HttpRequest, uuid: UUID) -> CallDetail:
    """Includes the recordings if the account has `caller.view_recording`, and the
    transcripts if it has `transcription.view_transcript`. *Access log* records that
    the account read their texts. Needs `caller.view_call`."""
    call = get_object_or_404(calls(), uuid=uuid)
    recordings = None
    if request.user.has_perm("caller.view_recording"):
        recordings = recordings_out(
            call.recordings.select_related("call").defer("peaks")
        )
    read = transcripts.transcripts_for_user(user_of(request), recording__call=call)
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
    summary="Place a call",
    openapi_extra={
        "responses": {
            201: {"description": "Twilio has placed the call."},
            200: {
                "description": "Nothing was dialled, because an earlier call to this "
                "number has not ended. The response is the earlier call."
            },
            202: {
                "description": "Twilio's answer was lost, so the phone may be ringing. "
                "Watch the call's status."
            },
            409: {
                "description": "A rule or limit of this site forbids the call. The "
                "attempt is stored as `refused`. If the same attempt is repeated "
                "within an hour, only the count of the stored attempt changes."
            },
            502: {
                "description": "Twilio refused the call or could not be reached. "
                "Nothing was dialled. The attempt is stored as `failed`."
            },
        }
    },
)
def dial(request: HttpRequest, body: Dial) -> Status[Any]:
    """The same rules and limits apply as on the pages of this site. A number is never
    called twice at the same time. So a retry dials again only if the earlier call has
    ended. Needs `caller.add_call` and `caller.view_call`."""
    try:
        to = phone_numbers.clean_number(body.to)
    except ValidationError as error:
        raise HttpError(422, f"to: {error.message}") from None
    new_call = Call(
        other_number=to,
        our_number=settings.TWILIO_PHONE_NUMBER,
        requested_by=user_of(request),
    )
    form = DialForm({"vocabulary": key_of(body.vocabulary)}, instance=new_call)
    if not form.is_valid():
        raise HttpError(422, "vocabulary: There is no such keyword list.")
    dialled = dialling.dial(form.save(commit=False))
    call = get_object_or_404(calls(), pk=dialled.pk)
    status = http_status_of(call) if dialled is new_call else 200
    if status < 400:
        return Status(status, call_out(call))
    return Status(status, NotDialled(detail=call.error, call=call_out(call)))


def http_status_of(call: Call) -> int:
    if call.status == Call.Status.REFUSED:
        return 409
    # A call with a SID was placed. If it failed later, the request still succeeded.
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
