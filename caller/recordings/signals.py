from django.dispatch import Signal

# Sent with `recording` and `priority` when a recording first becomes complete, inside
# the transaction that stores it. `transcription` listens: `caller` may not import it.
recording_completed = Signal()
