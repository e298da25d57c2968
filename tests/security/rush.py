"""Rushes: many requests to dial at the same moment. `python -m tests.security.rush`

This runs in a separate process, because threads cannot share the in-memory database.
DATABASE_URL names a database in a file or on a server. All its calls are deleted. An
empty database gets the tables. Prints JSON for each rush: how often Twilio was asked to
call, and the statuses and errors of the calls.
"""

import json
import logging
import threading
from collections import Counter
from decimal import Decimal
from itertools import count
from typing import Any

import django
import responses

# Each rush has more requests than its limit allows.
REQUESTS = 20
NUMBER = "14155551234"
DIFFERENT = [f"1415555{last}" for last in range(2000, 2000 + REQUESTS)]


def rush(name: str, numbers: list[str], answer: str = "queued", **limits: Any) -> None:
    from django.contrib.auth.models import Permission, User
    from django.db import connection
    from django.test import Client, override_settings

    from caller.models import Call
    from tests.caller.rows import CALLS
    from tests.data import load

    Call.objects.all().delete()
    operator, _ = User.objects.get_or_create(username="ada")
    operator.user_permissions.add(Permission.objects.get(codename="add_call"))
    clients = [Client() for _ in numbers]
    for client in clients:
        client.force_login(operator)
    asked: list[str] = []
    sids = count()
    together = threading.Barrier(len(numbers))
    locations: list[str] = []

    def twilio(request: Any) -> tuple[int, dict[str, str], str]:
        asked.append(request.body)
        sid = f"CA{next(sids):032}"
        return 201, {}, json.dumps(load("twilio/call", sid=sid, status=answer))

    def press(client: Client, number: str) -> None:
        try:
            together.wait()
            locations.append(client.post(f"/dial/{number}/")["Location"])
        finally:
            connection.close()

    with responses.RequestsMock() as internet, override_settings(**limits):
        internet.add_callback(responses.POST, CALLS, twilio)
        threads = [
            threading.Thread(target=press, args=pair)
            for pair in zip(clients, numbers, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    rows = Call.objects.all()
    print(
        json.dumps(
            {
                "rush": name,
                "answered": len(locations),
                "pages": len(set(locations)),
                "asked": len(asked),
                "statuses": Counter(row.status for row in rows),
                "reasons": sorted({row.error for row in rows if row.error}),
            }
        ),
        flush=True,
    )


def main() -> None:
    django.setup()
    logging.disable()
    from django.core.management import call_command
    from django.db import connection

    if not connection.introspection.table_names():
        call_command("migrate", verbosity=0)
    rush("one number", [NUMBER] * REQUESTS)
    rush(
        "one number, each call over at once",
        [NUMBER] * REQUESTS,
        answer="busy",
        MAX_CALLS_PER_NUMBER_DAY=5,
    )
    rush("one operator", DIFFERENT, MAX_CALLS_PER_OPERATOR_HOUR=10)
    rush("the site", DIFFERENT, MAX_CALLS_PER_DAY=7)
    rush("the money", DIFFERENT, MAX_SPEND_PER_DAY=Decimal("0.85"))


if __name__ == "__main__":
    main()
