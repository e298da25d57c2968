from caller.models.call import Call
from caller.models.do_not_call import DoNotCall
from caller.models.tombstone import Tombstone
from caller.recordings.models import Recording

__all__ = ["Call", "DoNotCall", "Recording", "Tombstone"]
