from django.dispatch import Signal

# Recording.record_locked sends this signal with `recording` and `priority` when Twilio
# has completed a recording, in the transaction that stores the new status.
# A signal is needed because `caller` may not import `transcription`.
recording_completed = Signal()
