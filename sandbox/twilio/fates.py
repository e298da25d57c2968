"""Fates: what happens if a number is called. Its last four digits decide.

Most numbers have no fate: the person at the phone answers and speaks.
"""

# {last four digits: (short name, description of what happens)}
FATES: dict[str, tuple[str, str]] = {
    "0001": (
        "invalid",
        "Twilio refuses the number: HTTP 400 with error 21211. No call is placed.",
    ),
    "0002": ("busy", "The line is busy: the call ends as busy."),
    "0003": (
        "no-answer",
        "The phone rings but nobody picks up: the call ends as no-answer.",
    ),
    "0004": ("failed", "The network can't reach the number: the call ends as failed."),
    "0005": (
        "no-permission",
        "The account is not allowed to call that country: HTTP 400 with error 21215.",
    ),
    "0006": (
        "silent",
        "Somebody picks up and says nothing: the recording contains only silence.",
    ),
    "0007": (
        "hangs-up",
        "Somebody picks up and hangs up before the beep: completed, without recording.",
    ),
    "0008": (
        "voicemail",
        "A machine answers: the recording contains its greeting and its beep.",
    ),
    "0009": (
        "no-api-answer",
        "The call is placed, but the API never answers the request.",
    ),
    "0010": (
        "too-short",
        "Somebody hangs up at the beep: the recording is absent, with error 16101.",
    ),
    "0011": (
        "listens",
        "In a conversation, the one who called hangs up first.",
    ),
}

# {last four digits: (clip, description of what the person talks about)}
SPECIALISTS: dict[str, tuple[str, str]] = {
    "0021": (
        "clinic",
        "Somebody names drugs. The keyword list Clinic helps to recognise them.",
    ),
    "0022": (
        "front-desk",
        "Somebody names people. The keyword list Front desk helps to recognise them.",
    ),
    "0023": (
        "machine-shop",
        "Somebody names tools. The keyword list Machine shop helps to recognise them.",
    ),
}


def fate_of(number: str) -> str | None:
    """Return the short name of a number's fate, or None if it has none."""
    name, _ = FATES.get(number[-4:], (None, ""))
    return name
