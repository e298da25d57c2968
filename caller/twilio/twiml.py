"""TwiML: what the called person hears. twilio.com/docs/voice/twiml/record"""

from dataclasses import replace

from django.conf import settings
from twilio.twiml.voice_response import VoiceResponse

from caller.models import Call
from caller.twilio import speech
from caller.twilio.client import RETRY, callback_url


def say(response: VoiceResponse, sentence: speech.Sentence) -> None:
    """Add a `<Say>`. Without a language, Twilio would use the account's default."""
    response.say(
        sentence.text, language=sentence.language, voice=sentence.voice or None
    )


def record(call: Call) -> str:
    """Play the notice and the beep, then record.

    `action` is required: without it Twilio would request this document again, in an
    endless loop. The verbs after <Record> run only if Twilio recorded nothing.
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
        # A string, because the SDK would render a list as Python's repr.
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
