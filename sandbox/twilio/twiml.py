"""Parse TwiML into verbs. Raises WebhookError with Twilio's error code."""

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

import requests

from sandbox.twilio.requester import WebhookError

# {verb that the stand-in knows: its attributes in Twilio's reference}
VERBS: dict[str, set[str]] = {
    "Say": {"voice", "language", "loop"},
    "Play": {"loop", "digits"},
    "Record": {
        "action",
        "method",
        "timeout",
        "finishOnKey",
        "maxLength",
        "playBeep",
        "trim",
        "recordingStatusCallback",
        "recordingStatusCallbackMethod",
        "recordingStatusCallbackEvent",
        "transcribe",
        "transcribeCallback",
        "recordingConfigurationId",
    },
    "Gather": {
        *("action", "method", "timeout", "numDigits", "finishOnKey", "input"),
        *("actionOnEmptyResult", "language"),
    },
    "Dial": {
        *("action", "method", "timeout", "timeLimit", "callerId", "record", "trim"),
        *("recordingStatusCallback", "recordingStatusCallbackMethod"),
        *("recordingStatusCallbackEvent", "answerOnBridge", "hangupOnStar"),
    },
    "Number": {
        *("url", "method", "statusCallback", "statusCallbackMethod"),
        *("statusCallbackEvent", "sendDigits"),
    },
    "Hangup": set(),
    "Pause": {"length"},
    "Redirect": {"method"},
    "Reject": {"reason"},
}
# Check only the form of the names, because Twilio often adds languages and voices.
LANGUAGE = re.compile(r"[a-z]{2,3}-[A-Z]{2}(-WLS)?|arb")
VOICE = re.compile(
    r"man|woman|alice|Polly\.[A-Z][^\W\d_]+(-Neural|-Generative)?"
    r"|Google\.(?P<language>[a-z]{2,3}-[A-Z]{2})-\w+(-\w+)*"
)
XML_TYPES = ("text/xml", "application/xml", "text/html", "text/plain")


@dataclass
class Verb:
    name: str
    attributes: dict[str, str]
    text: str
    children: "list[Verb]" = field(default_factory=list)

    def odd_attributes(self) -> list[str]:
        """Return the attributes that Twilio does not know. Most are typing mistakes."""
        return sorted(set(self.attributes) - VERBS.get(self.name, set(self.attributes)))

    def speech_fault(self) -> tuple[str, int] | None:
        """Return what is wrong with <Say>'s language or voice, and Twilio's code."""
        language = self.attributes.get("language", "en-US")
        voice = self.attributes.get("voice", "man")
        name = VOICE.fullmatch(voice)
        if not LANGUAGE.fullmatch(language):
            return (
                f"<Say> has the language {language}, which Twilio does not know",
                12200,
            )
        if not name:
            return f"<Say> has the voice {voice}, which Twilio does not know", 13511
        if "language" in self.attributes and name["language"] not in (None, language):
            return f"<Say> has the voice {voice} for {language}", 13511
        return None


def read(answer: requests.Response) -> list[Verb]:
    if not 200 <= answer.status_code < 300:
        raise WebhookError(11200, f"the answer was HTTP {answer.status_code}")
    kind = answer.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind not in XML_TYPES:
        raise WebhookError(12300, f"the answer's Content-Type is {kind or 'missing'}")
    if kind == "text/plain" and not answer.text.lstrip().startswith("<"):
        return [Verb("Say", {}, answer.text)]
    return parse(answer.content)


def parse(document: bytes | str) -> list[Verb]:
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise WebhookError(12100, f"the document is not XML: {error}") from error
    if root.tag != "Response":
        raise WebhookError(12102, f"the document is <{root.tag}>, not <Response>")
    return _verbs(root)


def _verbs(parent: ElementTree.Element) -> list[Verb]:
    return [
        Verb(
            each.tag,
            dict(each.attrib),
            "".join(each.itertext()).strip(),
            _verbs(each),
        )
        for each in parent
        if isinstance(each.tag, str)
    ]
