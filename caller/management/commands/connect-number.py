from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from caller.twilio import client as twilio_client
from caller.twilio.errors import TwilioError


class Command(BaseCommand):
    help = (
        "Let Twilio send the calls to your number here: callers hear the greeting, and "
        "are recorded and transcribed. Shows what the number does now, and asks first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *, yes: bool, **options: Any) -> None:
        try:
            number = twilio_client.our_number()
            if number is None:
                raise CommandError("TWILIO_PHONE_NUMBER is not of this account.")
            wanted = twilio_client.answer_url()
            if number.voice_url == wanted:
                self.stdout.write(f"{settings.TWILIO_PHONE_NUMBER} leads here already.")
                return
            now = number.voice_url or "nothing"
            self.stdout.write(f"Voice URL now: {now}\nVoice URL then: {wanted}")
            if not yes and input("Change it? [y/N] ").strip().lower() not in (
                "y",
                "yes",
            ):
                raise CommandError("Nothing was changed.")
            twilio_client.connect_number(number.sid)
        except TwilioError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{settings.TWILIO_PHONE_NUMBER} leads here now.")
