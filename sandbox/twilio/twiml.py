"""Parse TwiML into verbs. Raises WebhookError with Twilio's error code."""

from dataclasses import dataclass
from xml.etree import ElementTree

import requests

from sandbox.twilio.requester import WebhookError

# The verbs that the stand-in supports, with their attributes in Twilio's reference.
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
    "Hangup": set(),
    "Pause": {"length"},
    "Redirect": {"method"},
    "Reject": {"reason"},
}
XML_TYPES = ("text/xml", "application/xml", "text/html", "text/plain")


@dataclass
class Verb:
    name: str
    attributes: dict[str, str]
    text: str

    def odd_attributes(self) -> list[str]:
        """Return attributes that Twilio does not know. They are mostly typos."""
        return sorted(set(self.attributes) - VERBS.get(self.name, set(self.attributes)))


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
    return [
        Verb(child.tag, dict(child.attrib), "".join(child.itertext()).strip())
        for child in root
        if isinstance(child.tag, str)
    ]
