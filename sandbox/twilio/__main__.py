"""python -m sandbox.twilio: run the Twilio stand-in on this machine."""

import os
from pathlib import Path

from sandbox.web import cli

DESCRIPTION = """A stand-in for Twilio on 127.0.0.1: its REST API, and a phone network
that follows TwiML and sends signed callbacks. It does not call anybody. Open the
printed address in a browser to see the calls and the list of special test numbers. The
auth token is read from the environment variable TWILIO_AUTH_TOKEN, because other users
can see a process's arguments. To accept an API key too, set TWILIO_API_KEY and
TWILIO_API_SECRET."""


def main() -> None:
    parser = cli.parser("twilio", DESCRIPTION, 8001)
    parser.add_argument(
        "--account-sid",
        default=os.environ.get("TWILIO_ACCOUNT_SID"),
        help="AC and 32 hex digits (default: TWILIO_ACCOUNT_SID)",
    )
    parser.add_argument(
        "--phone-number",
        default=os.environ.get("TWILIO_PHONE_NUMBER"),
        help="the account's number, +1... (default: TWILIO_PHONE_NUMBER)",
    )
    options = parser.parse_args()
    token = os.environ.get("TWILIO_AUTH_TOKEN")
    for value, name in (
        (options.account_sid, "--account-sid"),
        (options.phone_number, "--phone-number"),
        (token, "the environment variable TWILIO_AUTH_TOKEN"),
    ):
        if not value:
            parser.error(f"{name} is missing")
    cli.configure_django("sandbox.twilio.urls", Path(__file__).parent / "templates")
    from sandbox.twilio.state import network

    network.account_sid = options.account_sid
    network.phone_number = options.phone_number
    network.auth_token = token or ""
    network.api_key = os.environ.get("TWILIO_API_KEY", "")
    network.api_secret = os.environ.get("TWILIO_API_SECRET", "")
    network.pace = options.pace

    def ready(address: str) -> None:
        network.base_url = address

    cli.serve("Twilio stand-in", options, ready=ready)


if __name__ == "__main__":
    main()
