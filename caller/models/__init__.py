from caller.models.call import Call
from caller.models.recording import Recording

__all__ = ["Call", "Recording"]
