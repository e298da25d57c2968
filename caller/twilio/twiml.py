"""TwiML: what the people on the phone hear. twilio.com/docs/voice/twiml"""

import re
from dataclasses import replace
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from twilio.twiml.voice_response import VoiceResponse

from caller.models import Call
from caller.twilio import speech
from caller.twilio.callbacks import webhook_url
from caller.twilio.client import OPERATOR_RINGS_SECONDS

# The events are one string, because the SDK would render a list as Python's repr.
RECORDING_EVENTS = "completed absent"
LEG_EVENTS = "initiated ringing answered completed"
# How long Twilio waits for the operator to press a key (see `ask_operator`).
KEY_SECONDS = 10
# The other party's phone rings for this long. Twilio may add five seconds.
OTHER_RINGS_SECONDS = 30
# Placeholder for the call's UUID in cached TwiML (see `_record`).
PLACEHOLDER_UUID = UUID(int=0)
# Characters that XML cannot contain, even if they are escaped (w3.org/TR/xml, 2.2).
# Names of contacts may contain such characters.
NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def say(response: VoiceResponse, sentence: speech.Sentence) -> None:
    """Add a `<Say>`. Without `language`, Twilio would use the account's language."""
    text = NOT_IN_XML.sub("", sentence.text)
    response.say(text, language=sentence.language, voice=sentence.voice or None)


def stored_notice(call: Call, notice: speech.Sentence) -> speech.Sentence:
    """Return `notice` with the text of `call.notice`, which is evidence of consent."""
    return replace(notice, text=call.notice)


def record(call: Call, sentence: speech.Sentence) -> str:
    """Play a sentence and the beep, then record."""
    document = _record(
        sentence,
        speech.sentence("nothing_heard"),
        webhook_url("caller:record-done", PLACEHOLDER_UUID),
        webhook_url("caller:recording-webhook", PLACEHOLDER_UUID),
        settings.RECORDING_MAX_SECONDS,
        settings.RECORDING_SILENCE_SECONDS,
    )
    return document.replace(str(PLACEHOLDER_UUID), str(call.uuid))


@lru_cache(maxsize=64)
def _record(
    notice: speech.Sentence,
    nothing_heard: speech.Sentence,
    action: str,
    status_callback: str,
    max_seconds: int,
    silence_seconds: int,
) -> str:
    """Return the TwiML for `record`, with PLACEHOLDER_UUID in place of the call's UUID.

    The result is cached, because the TwiML of most calls differs only in the UUID.
    """
    response = VoiceResponse()
    say(response, notice)
    response.record(
        # Without an action, Twilio would request this document again and again.
        action=action,
        max_length=max_seconds,
        timeout=silence_seconds,
        play_beep=True,
        trim="do-not-trim",
        recording_status_callback=status_callback,
        recording_status_callback_event=RECORDING_EVENTS,
    )
    # Twilio continues here only if it recorded nothing.
    say(response, nothing_heard)
    response.hangup()
    return str(response)


def ask_operator(call: Call, who: str) -> str:
    """Ask the operator to press a key. If no key is pressed, hang up and call nobody.

    An answering machine presses no key.
    """
    response = VoiceResponse()
    gather = response.gather(
        num_digits=1,
        # By default, the key "#" ends the input, and Twilio does not count it as a key.
        # Then Twilio would not request `action`, and the operator would hear `no_key`.
        finish_on_key="",
        timeout=KEY_SECONDS,
        action=webhook_url("caller:accept", call.uuid),
    )
    say(gather, speech.sentence("connect", who=who))
    say(response, speech.sentence("no_key"))
    response.hangup()
    return str(response)


def connect(call: Call, number: str, caller_id: str) -> str:
    """Play the notice to the first phone, then call `number` and record both sides.

    The second phone hears the notice from `bridge_notice`, before the two phones are
    connected.
    """
    response = VoiceResponse()
    notice = speech.sentence("conversation_notice")
    say(response, stored_notice(call, notice))
    dial = response.dial(
        caller_id=caller_id,
        record="record-from-answer-dual",
        timeout=OPERATOR_RINGS_SECONDS if call.is_inbound else OTHER_RINGS_SECONDS,
        time_limit=settings.CONVERSATION_MAX_SECONDS,
        action=webhook_url("caller:bridge-done", call.uuid),
        recording_status_callback=webhook_url("caller:recording-webhook", call.uuid),
        recording_status_callback_event=RECORDING_EVENTS,
    )
    dial.number(
        number,
        url=webhook_url("caller:bridge-notice", call.uuid),
        status_callback=webhook_url("caller:call-webhook", call.uuid),
        status_callback_event=LEG_EVENTS,
    )
    return str(response)


def bridge_notice(call: Call) -> str:
    """Play the notice to the second phone (called by <Dial>), see `connect`."""
    response = VoiceResponse()
    notice = speech.sentence("conversation_notice")
    say(response, stored_notice(call, notice))
    return str(response)


def code(digits: str) -> str:
    """Say a code three times, because people rarely have a pen ready."""
    response = VoiceResponse()
    sentence = speech.sentence("code", code=speech.spaced_digits(digits))
    for _ in range(3):
        say(response, sentence)
        response.pause(length=1)
    response.hangup()
    return str(response)


def say_and_hang_up(name: str) -> str:
    """Say a sentence and hang up. name: a field of sentences.Sentences."""
    response = VoiceResponse()
    say(response, speech.sentence(name))
    response.hangup()
    return str(response)


def hang_up() -> str:
    response = VoiceResponse()
    response.hangup()
    return str(response)
