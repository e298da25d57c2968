"""What the person called hears. twilio.com/docs/voice/twiml/record"""

from dataclasses import replace

from django.conf import settings
from twilio.twiml.voice_response import VoiceResponse

from caller.models import Call
from caller.twilio import speech
from caller.twilio.client import RETRY, callback_url


def say(response: VoiceResponse, sentence: speech.Sentence) -> None:
    """Add a `<Say>`; without a language Twilio would use that of its account."""
    response.say(
        sentence.text, language=sentence.language, voice=sentence.voice or None
    )


def record(call: Call) -> str:
    """The notice, the beep, the recording.

    With `action`, since <Record> without it asks for this document again, for ever.
    What follows <Record> is reached only if Twilio recorded nothing at all.
    """
    response = VoiceResponse()
    say(response, replace(speech.sentence("notice"), text=call.notice))
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
    say(response, speech.sentence("nothing_heard"))
    response.hangup()
    return str(response)


def goodbye() -> str:
    response = VoiceResponse()
    say(response, speech.sentence("goodbye"))
    response.hangup()
    return str(response)


def hang_up() -> str:
    response = VoiceResponse()
    response.hangup()
    return str(response)
