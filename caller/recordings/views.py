import logging

from django.contrib.auth.decorators import permission_required
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
)
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from caller.models import Recording, Tombstone
from caller.recordings.formats import content_type
from caller.recordings.http_ranges import range_response
from caller.twilio import client as twilio_client
from caller.twilio.errors import NOT_FOUND, TwilioError
from caller.twilio.states import CALL_SID
from djtranscribe.models import Access
from djtranscribe.responses import plain_text

logger = logging.getLogger(__name__)

# How long a browser may cache the audio. Logging out clears the cache.
AUDIO_MAX_AGE_SECONDS = 3600


class StorageFault(Exception):
    """The storage of the audio cannot be read. `str()` is a text for the user."""


@require_safe
@permission_required("caller.view_recording", raise_exception=True)
def recording_audio(request: HttpRequest, pk: int) -> HttpResponseBase:
    try:
        response = audio_of(get_object_or_404(Recording, pk=pk), request)
    except StorageFault as error:
        return plain_text(str(error), 503)
    response["Cache-Control"] = f"private, max-age={AUDIO_MAX_AGE_SECONDS}"
    return response


def audio_of(recording: Recording, request: HttpRequest) -> HttpResponseBase:
    """Return the audio, or the requested range of it. Log that the user listened to it.

    Raises Http404 with the reason if there is no audio, and StorageFault.
    """
    if recording.audio_deleted_at:
        raise Http404("The audio was deleted because its retention period has ended.")
    if not recording.audio:
        raise Http404("The audio is not stored yet.")
    try:
        file = recording.audio.open("rb")
    except FileNotFoundError:
        raise Http404("The audio is no longer in the storage.") from None
    except OSError as error:
        logger.exception("recording=%s audio=unreadable", recording.pk)
        raise StorageFault(
            "The storage of the recordings does not answer. Try again in a minute."
        ) from error
    Access.objects.log(request.user, Access.Action.LISTENED, [recording])
    name = recording.filename
    # Without `content_type`, Django would guess the type from /etc/mime.types,
    # which may be missing.
    file_response = FileResponse(file, filename=name, content_type=content_type(name))
    return range_response(request, file_response)


@require_safe
@permission_required("caller.view_recording", raise_exception=True)
def get_recording_url(request: HttpRequest, call_sid: str) -> HttpResponse:
    """List the audio URLs of a call, one per line.

    The URLs come from our rows or, if we have no rows, from Twilio. The path of this
    view comes from the tutorial, see docs/tutorial.md.
    """
    if not CALL_SID.fullmatch(call_sid):
        return plain_text(
            "This is not the SID of a call. The SID of a call is CA and 32 characters: "
            "0 to 9 or a to f.",
            404,
        )
    completed = Recording.objects.filter(status=Recording.Status.COMPLETED)
    rows = completed.filter(call__sid=call_sid, audio_deleted_at=None)
    sids = [recording.sid or "" for recording in rows]
    try:
        sids = sids or completed_at_twilio(call_sid)
    except TwilioError as error:
        if error.code == NOT_FOUND:
            return plain_text("Twilio knows no call with this SID.", 404)
        return plain_text(error.message, 502)
    if not sids:
        return plain_text("This call has no recording, or none yet.", 404)
    return plain_text("".join(f"{twilio_client.media_url(sid)}\n" for sid in sids), 200)


def completed_at_twilio(call_sid: str) -> list[str]:
    # Raise TwilioError if the call does not exist. list_recordings would only return an
    # empty list.
    twilio_client.fetch_call(call_sid)
    sids = [
        recording.sid
        for recording in twilio_client.list_recordings(call_sid)
        if recording.status == Recording.Status.COMPLETED
    ]
    deleted = Tombstone.objects.sids([call_sid, *sids])
    return [sid for sid in sids if not deleted & {sid, call_sid}]
