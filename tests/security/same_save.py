"""Two administrators save the same value at the same moment, in each form of admin.

This runs in a separate process, like tests.security.rush. DATABASE_URL names a database
for this run. An empty database gets the tables. Prints JSON for each form: the two
answers, and how many rows have the value.
"""

import json
import logging
import re
import threading
from contextlib import suppress
from typing import Any

import django

TOGETHER_SECONDS = {"sqlite": 0.3, "postgresql": 1}
ERRORS = re.compile('(?s)<ul class="errorlist.*?</ul>')


def save_twice(
    name: str, model: Any, paths: list[str], fields: Any, value: Any
) -> None:
    """POST two forms at once. On PostgreSQL, both are validated before the first save.

    Prints the answers, and how many rows have `value`.
    fields: the form, or a function that returns the form for a path.
    value: what both forms save, as {column: value}.
    """
    from django.contrib.auth.models import User
    from django.db import connection
    from django.db.models.signals import pre_save
    from django.test import Client

    validated = threading.Barrier(2)

    def wait(**kwargs: Any) -> None:
        # On SQLite the first save locks the database, so the second cannot get here.
        # Then the wait ends after TOGETHER_SECONDS.
        with suppress(threading.BrokenBarrierError):
            validated.wait(TOGETHER_SECONDS[connection.vendor])

    answers = []

    def save(path: str) -> None:
        client = Client(raise_request_exception=False)
        client.force_login(User.objects.get(username="root"))
        try:
            answer = client.post(path, fields(path) if callable(fields) else fields)
            errors = " ".join(ERRORS.findall(answer.text))
            answers.append([answer.status_code, errors])
        finally:
            connection.close()

    pre_save.connect(wait, model)
    threads = [threading.Thread(target=save, args=[path]) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pre_save.disconnect(wait, model)
    rows = model.objects.filter(**value).count()
    print(json.dumps({"save": name, "answers": answers, "rows": rows}), flush=True)


def main() -> None:
    django.setup()
    logging.disable()
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from django.db import connection

    from caller.models import DoNotCall
    from djtranscribe.models import ApiToken
    from transcription.models import Vocabulary

    if not connection.introspection.table_names():
        call_command("migrate", verbosity=0)
    root = User.objects.create_superuser("root")
    number = {"number": "+14155559999"}
    password = {"password1": "a-Long-1-enough", "password2": "a-Long-1-enough"}

    def add(form: str, model: Any, fields: Any, **value: Any) -> None:
        meta = model._meta
        path = f"/admin/{meta.app_label}/{meta.model_name}/add/"
        save_twice(form, model, [path] * 2, fields, value)

    def change(form: str, model: Any, fields: Any, rows: Any, **value: Any) -> None:
        meta = model._meta
        paths = [
            f"/admin/{meta.app_label}/{meta.model_name}/{row.pk}/change/"
            for row in rows
        ]
        save_twice(form, model, paths, fields, value)

    # Admin's form of a keyword list also contains the forms of its versions.
    versions = {"versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0"}

    token = {"user": root.pk, "name": "CRM"}
    add("new tokens", ApiToken, token, name="CRM")
    fields = {"name": "Cardiology", **versions}
    add("new keyword lists", Vocabulary, fields, name="Cardiology")
    add(
        "numbers not to call",
        DoNotCall,
        {"number": "+1 (415) 555-9999"},
        **number,
    )
    add("new groups", Group, {"name": "Night shift"}, name="Night shift")
    account = {"username": "bob", "usable_password": "true", **password}
    add("new accounts", User, account, username="bob")

    lists = [Vocabulary.objects.create(name=name) for name in "AB"]
    fields = {"name": "C", **versions}
    change("renamed keyword lists", Vocabulary, fields, lists, name="C")
    groups = [Group.objects.create(name=name) for name in "AB"]
    change("renamed groups", Group, {"name": "C"}, groups, name="C")
    numbers = [DoNotCall.objects.create(number=f"+1415555000{n}") for n in (1, 2)]
    fields = {"number": "+14155550003"}
    change("corrected numbers", DoNotCall, fields, numbers, **fields)
    users = [User.objects.create_user(name) for name in ("carol", "dave")]
    fields = {
        "username": "erin",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    change("renamed accounts", User, fields, users, username="erin")
    # The names differ, but only one list may be the default.
    meta = "/admin/transcription/vocabulary"
    paths = [f"{meta}/{row.pk}/change/" for row in lists]
    save_twice(
        "default list",
        Vocabulary,
        paths,
        lambda path: {"name": f"of {path}", "is_default": "on", **versions},
        {"is_default": True},
    )


if __name__ == "__main__":
    main()
