from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from caller import dialling, phone_numbers
from caller.models import Call
from djtranscribe.public_urls import public_url


class Command(BaseCommand):
    help = (
        "Place a call. The rules and limits are the same as on the pages. Prints the "
        "URL of the call's page."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "number", help="the number to call, country code first: 14155551234"
        )
        parser.add_argument(
            "--operator",
            required=True,
            metavar="USERNAME",
            help="username of the operator; the limits of this account apply",
        )

    def handle(self, *, number: str, operator: str, **options: Any) -> None:
        user = (
            get_user_model().objects.filter(username=operator, is_active=True).first()
        )
        if user is None or not user.has_perm("caller.add_call"):
            raise CommandError(
                f"There is no active account {operator} with the permission to place "
                "calls."
            )
        try:
            to = phone_numbers.clean_number(number)
        except ValidationError as error:
            raise CommandError(error.message) from error
        asked = Call(
            other_number=to, our_number=settings.TWILIO_PHONE_NUMBER, requested_by=user
        )
        call = dialling.dial(asked)
        if call is not asked:
            self.stderr.write("This number is being called already.")
        if call.is_finished and call.error:
            raise CommandError(call.error)
        self.stdout.write(public_url(call.get_absolute_url()))
