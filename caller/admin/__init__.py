from caller.admin.call import CallAdmin
from caller.admin.do_not_call import DoNotCallAdmin
from caller.admin.recording import RecordingAdmin

__all__ = ["CallAdmin", "DoNotCallAdmin", "RecordingAdmin"]
