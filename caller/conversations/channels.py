"""The names of the people who speak on the channels of a recording."""

from caller.models import Call, Contact, Recording


def channel_names(recording: Recording) -> dict[str, str] | None:
    """Return `{"1": name, "2": name}`: who speaks on each channel of a conversation.

    Return None if the recording is not a conversation with two channels. Channel 1 is
    the parent call (twilio.com/docs/voice/twiml/dial#record). In an incoming call, that
    is the caller. In an outgoing call, that is the operator. At most three queries.
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
    contact = Contact.objects.find_by_number(call.other_number)
    return contact.name if contact else call.number
