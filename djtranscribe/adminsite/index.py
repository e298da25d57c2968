"""Sections of admin's first page: its tables, grouped by what people do."""

from typing import Any, NamedTuple

from django.utils.text import capfirst

SECTIONS: dict[str, dict[str, str]] = {
    "Calls": {
        "Call": "Every call, with filters for status, operator, country and length.",
        "Recording": "The audio files, including imported ones.",
        "Contact": "Names for numbers. Import them from a CSV file.",
        "DoNotCall": "Numbers that are never dialled.",
        "Tag": "Words that group calls, such as billing.",
    },
    "Transcripts": {
        "Transcript": "Read, listen, correct and export.",
        "Vocabulary": "Terms that AssemblyAI should expect, by domain.",
        "Export": "Who downloaded many transcripts at once, and when.",
        "Deletion": "What was deleted for good, when and why.",
    },
    "People and access": {
        "User": "Who can log in.",
        "Group": "What operators and supervisors are allowed to do.",
        "Profile": "The time zone of each account.",
        "ApiToken": "Keys for programs that use the API.",
        "Access": "Who read, listened to, corrected or verified what.",
    },
    "Connections": {
        "VendorPause": "Whether Twilio or AssemblyAI refuses our account, and why.",
        "WebhookDelivery": "What Twilio and AssemblyAI reported to this site.",
        "Notification": "E-mails and webhooks about transcripts, sent or waiting.",
    },
}


class Model(NamedTuple):
    name: str
    sentence: str
    url: str
    add_url: str


def sections(app_list: list[dict[str, Any]]) -> list[tuple[str, list[Model]]]:
    """Group the models that this user may see. Models without a section come last."""
    models = {
        model["object_name"]: model for app in app_list for model in app["models"]
    }
    found = []
    for heading, sentences in SECTIONS.items():
        known = [(models.pop(name, None), text) for name, text in sentences.items()]
        found.append((heading, [_model(each, text) for each, text in known if each]))
    found.append(("More", [_model(each, "") for each in models.values()]))
    return [(heading, members) for heading, members in found if members]


def _model(model: dict[str, Any], sentence: str) -> Model:
    name = str(capfirst(model["name"]))
    return Model(name, sentence, model["admin_url"] or "", model["add_url"] or "")
