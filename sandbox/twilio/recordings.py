"""Endpoints of recordings: lists, details, deletion and audio."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from sandbox.twilio import audio
from sandbox.twilio.auth import authenticated
from sandbox.twilio.filters import in_range
from sandbox.twilio.shapes import error, not_found, page, recording_json
from sandbox.twilio.state import Recording, network

# Statuses of recordings that the API shows. It hides a recording in progress.
SHOWN = {"processing", "completed", "absent"}


@authenticated("GET")
def of_call(request: HttpRequest, sid: str) -> HttpResponse:
    if sid not in network.calls:
        return not_found(request.path)
    return _listed(request, network.recordings_of(sid), of_call=True)


@authenticated("GET")
def of_account(request: HttpRequest) -> HttpResponse:
    sid = request.GET.get("CallSid")
    with network.lock:
        found = [r for r in network.recordings.values() if sid in (None, r.call_sid)]
    return _listed(request, found, of_call=False)


def _listed(
    request: HttpRequest, found: list[Recording], *, of_call: bool
) -> HttpResponse:
    shown = SHOWN | ({"deleted"} if _includes_deleted(request) else set())
    found = sorted(found, key=lambda r: r.created, reverse=True)
    try:
        items = [
            recording_json(recording, of_call=of_call)
            for recording in found
            if recording.status in shown
            and in_range(request.GET, "DateCreated", recording.created)
        ]
    except ValueError as problem:
        return error(400, 20001, str(problem))
    return page(request, "recordings", items)


def _includes_deleted(request: HttpRequest) -> bool:
    return request.GET.get("IncludeSoftDeleted", "").lower() == "true"


@authenticated("GET", "DELETE")
def one(request: HttpRequest, sid: str) -> HttpResponse:
    found = network.recordings.get(sid)
    shown = SHOWN | ({"deleted"} if _includes_deleted(request) else set())
    if found is None or found.status not in shown:
        return not_found(request.path)
    if request.method == "DELETE":
        if found.status == "processing":
            return error(409, 20009, "Cannot delete a recording before it is complete")
        with network.lock:
            found.status = "deleted"
        return HttpResponse(status=204)
    return JsonResponse(recording_json(found, of_call=False))


@authenticated("GET")
def media(request: HttpRequest, sid: str, suffix: str = "") -> HttpResponse:
    found = network.recordings.get(sid)
    if found is None or found.status != "completed":
        # Answer with XML, so that tests notice code that saves an error page as audio.
        return HttpResponse(
            '<?xml version="1.0" encoding="UTF-8"?><TwilioResponse><RestException>'
            "<Code>20404</Code><Message>The requested resource was not found</Message>"
            "<MoreInfo>https://www.twilio.com/docs/errors/20404</MoreInfo>"
            "<Status>404</Status></RestException></TwilioResponse>",
            content_type="application/xml",
            status=404,
        )
    if suffix == ".mp3":
        return error(404, 20404, "This stand-in has no MP3: ask for .wav")
    wanted = request.GET.get("RequestedChannels")
    if wanted == "2" and found.channels == 1:
        return error(400, 21220, "This recording has one channel only")
    channels = 1 if wanted == "1" else found.channels
    sound = audio.render(found.tracks, found.seconds, channels)
    return HttpResponse(sound, content_type="audio/x-wav")
