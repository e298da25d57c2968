"""What the person called hears. twilio.com/docs/voice/twiml/record"""

from django.conf import settings
from twilio.twiml.voice_response import VoiceResponse

from caller.models import Call
from caller.twilio.client import RETRY, callback_url


def record(call: Call) -> str:
    """The notice, the beep, the recording.

    With `action`, since <Record> without it asks for this document again, for ever.
    What follows <Record> is reached only if Twilio recorded nothing at all.
    """
    response = VoiceResponse()
    response.say(call.notice)
    response.record(
        action=callback_url("caller:record-done", call.uuid),
        max_length=settings.RECORDING_MAX_SECONDS,
        timeout=settings.RECORDING_SILENCE_SECONDS,
        play_beep=True,
        trim="do-not-trim",
        recording_status_callback=callback_url("caller:recording-webhook", call.uuid)
        + RETRY,
        # A string: a list would be rendered as Python writes lists.
        recording_status_callback_event="completed absent",
    )
    response.say("We heard nothing. Goodbye.")
    response.hangup()
    return str(response)


def goodbye() -> str:
    response = VoiceResponse()
    response.say("Thank you. Goodbye.")
    response.hangup()
    return str(response)


def hang_up() -> str:
    response = VoiceResponse()
    response.hangup()
    return str(response)
