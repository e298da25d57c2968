from django.dispatch import Signal

# Sent with `recording` and `priority` when Twilio first says that a recording is
# complete, inside the transaction that stores it. The one push upward:
# `transcription` listens.
recording_completed = Signal()
