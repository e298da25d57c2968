from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from caller.twilio import client as twilio_client
from caller.twilio.callbacks import answer_url
from caller.twilio.errors import TwilioError
from djtranscribe.confirmation import confirm


class Command(BaseCommand):
    help = (
        "Set the Voice URL and the status callback URL of your number, so that Twilio "
        "sends incoming calls to this site. Callers hear the greeting, or they are "
        "connected with an operator (ANSWER_FORWARD_TO). Their calls are recorded and "
        "transcribed. Shows the current Voice URL and asks before changing it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *, yes: bool, **options: Any) -> None:
        try:
            number = twilio_client.our_number()
            if number is None:
                raise CommandError(
                    "TWILIO_PHONE_NUMBER does not belong to this Twilio account."
                )
            wanted = answer_url()
            if number.voice_url == wanted:
                self.stdout.write(
                    f"Calls to {settings.TWILIO_PHONE_NUMBER} already reach this site. "
                    "Nothing was changed."
                )
                return
            now = number.voice_url or "nothing"
            self.stdout.write(f"Voice URL now: {now}\nNew Voice URL: {wanted}")
            if not yes:
                confirm("Change it?", "Nothing was changed.")
            twilio_client.connect_number(number.sid)
        except TwilioError as error:
            raise CommandError(error.message) from error
        self.stdout.write(
            f"Calls to {settings.TWILIO_PHONE_NUMBER} reach this site now."
        )
