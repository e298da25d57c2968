from django.dispatch import Signal

# Recording.record_locked sends this signal when Twilio has completed a recording, in
# the transaction that stores the new status. Arguments: `recording` and `priority`.
# A signal is needed because `caller` may not import `transcription`.
recording_completed = Signal()
