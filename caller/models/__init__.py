from caller.models.call import Call, DoNotCall
from caller.models.recording import Recording

__all__ = ["Call", "DoNotCall", "Recording"]
