"""Who speaks on which channel of a recording."""

from caller.models import Call, Contact, Recording


def channel_names(recording: Recording) -> dict[str, str] | None:
    """Return the names of the two channels of a conversation, or None.

    Channel 1 is the phone that Twilio called first or that called us: the operator's,
    unless the call came in. twilio.com/docs/voice/twiml/dial#record. Two queries.
    """
    call = recording.call
    if not (call and call.is_conversation and recording.channels == 2):
        return None
    names = [operator_name(call), other_name(call)]
    if names[0] == names[1]:
        names[1] += " (2)"
    if call.is_inbound:
        names.reverse()
    return {"1": names[0], "2": names[1]}


def operator_name(call: Call) -> str:
    user = call.requested_by
    return (user.get_full_name() or user.get_username()) if user else "Operator"


def other_name(call: Call) -> str:
    contact = Contact.objects.of(call.other_number)
    return contact.name if contact else call.number
