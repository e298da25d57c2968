"""Settings of a real site with fake vendors. DEBUG only lets the settings name them."""

from djtranscribe.settings import *  # noqa: F403

DEBUG = False
SILENCED_SYSTEM_CHECKS = ["caller.E004", "caller.E005", "transcription.E002"]
