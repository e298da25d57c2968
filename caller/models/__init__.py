from caller.models.call import Call
from caller.models.do_not_call import DoNotCall
from caller.models.recording import Recording

__all__ = ["Call", "DoNotCall", "Recording"]
