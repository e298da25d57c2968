"""Settings of a real site, without the checks that refuse http and fake vendors."""

from djtranscribe.settings import *  # noqa: F403

SILENCED_SYSTEM_CHECKS = ["caller.E004", "caller.E005", "transcription.E002"]
