from caller.contacts.models import Contact, ContactNumber
from caller.conversations.models import Leg, OperatorPhone
from caller.models.call import Call
from caller.models.do_not_call import DoNotCall
from caller.models.tombstone import Tombstone
from caller.notes.models import Note, Tag
from caller.recordings.models import Recording

__all__ = [
    "Call",
    "Contact",
    "ContactNumber",
    "DoNotCall",
    "Leg",
    "Note",
    "OperatorPhone",
    "Recording",
    "Tag",
    "Tombstone",
]
