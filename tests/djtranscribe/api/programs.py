"""Accounts, tokens and requests of the programs that use the API in these tests."""

from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client

from djtranscribe.models import ApiToken

# All permissions of an operator that the API checks.
CALL_AND_READ = [
    *("add_call", "view_call", "view_recording"),
    *("view_transcript", "correct_transcript"),
]
# Request bodies that succeed, by method.
BODIES = {
    "POST": {"to": "+14155551234"},
    "PATCH": {"revision": 0, "corrections": [{"first": 0, "last": 1, "text": "Hi"}]},
}


def an_account(name: str, may: list[str]) -> User:
    user = User.objects.create_user(name)
    user.user_permissions.set(Permission.objects.filter(codename__in=may))
    assert user.user_permissions.count() == len(may)
    return user


def a_token(user: User, name: str = "tests") -> str:
    token = ApiToken(user=user, name=name)
    secret = token.new_secret()
    token.save()
    return secret


def a_program(secret: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {secret}"})


def program_of(name: str, may: list[str]) -> Client:
    return a_program(a_token(an_account(name, may)))


def dial(program: Client, **wanted: Any) -> Any:
    body = {"to": "+14155551234", **wanted}
    return program.post("/api/calls", body, content_type="application/json")
