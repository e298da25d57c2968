from django.dispatch import Signal

# Sent with `recording` and `priority` when a recording first becomes complete, inside
# the transaction that stores it. `transcription` receives this signal, because `caller`
# may not import `transcription`.
recording_completed = Signal()
