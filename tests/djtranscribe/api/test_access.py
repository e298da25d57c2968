"""Who may use which URL of the API, and how tokens are created, used and revoked."""

import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.utils import timezone

from caller.models import Call
from djtranscribe.models import Access, ApiToken
from tests.caller.rows import CALL_SID, a_call, a_recording
from tests.data import wav
from tests.djtranscribe.api.programs import (
    BODIES,
    CALL_AND_READ,
    a_program,
    a_token,
    an_account,
    dial,
)
from tests.security.url_map import addresses, finish, is_api
from transcription.models import Transcript

pytestmark = pytest.mark.django_db

UUID = "11111111-2222-4333-8444-555555555555"
ROW = 70_001
# The permissions that an account needs for each request.
NEEDS = {
    "GET /api/calls": {"view_call"},
    "POST /api/calls": {"add_call", "view_call"},
    "GET /api/calls/<uuidstr:uuid>": {"view_call"},
    "GET /api/recordings": {"view_recording"},
    "GET /api/recordings/<int:id>": {"view_recording"},
    "GET /api/recordings/<int:id>/audio": {"view_recording"},
    "GET /api/transcripts": {"view_transcript"},
    "GET /api/transcripts/<uuidstr:uuid>": {"view_transcript"},
    "PATCH /api/transcripts/<uuidstr:uuid>": {"view_transcript", "correct_transcript"},
    "GET /api/transcripts/<uuidstr:uuid>/export/<str:extension>": {"view_transcript"},
    # Any account may read this.
    "GET /api/openapi.json": set(),
}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"]
EXAMPLES = {"<uuidstr:uuid>": UUID, "<int:id>": str(ROW), "<str:extension>": "txt"}


@pytest.fixture
def rows(media):
    call = a_call(uuid=UUID, sid=CALL_SID, status="ringing")
    recording = a_recording(pk=ROW, call=call)
    recording.store_audio([wav()])
    return Transcript.objects.create(
        uuid=UUID, recording=recording, status="completed", text="Hi"
    )


def ask(client, decision, **headers):
    method, path = decision.split()
    for part, example in EXAMPLES.items():
        path = path.replace(part, example)
    # `rows` has an unfinished call to the number in BODIES. POST returns that call and
    # dials nothing.
    body = json.dumps(BODIES[method]) if method in BODIES else ""
    answer = client.generic(method, path, body, headers=headers)
    finish(answer)
    return answer


def test_every_address_of_the_api_has_a_decision():
    found = {route for route, _ in addresses() if is_api(route)}

    decided = {decision.split()[1] for decision in NEEDS}
    assert found == decided | {r"/api/^[\s\S]+$"}


@pytest.mark.parametrize("decision", NEEDS)
def test_an_address_asks_for_exactly_its_permissions(rows, decision):
    needed = NEEDS[decision]
    enough = a_program(a_token(an_account("ada", sorted(needed))))

    assert ask(enough, decision).status_code == 200
    for missing in needed:
        others = sorted({*CALL_AND_READ, "view_vocabulary"} - {missing})
        program = a_program(a_token(an_account(f"no {missing}", others)))
        answer = ask(program, decision)
        assert answer.status_code == 403
        assert missing in answer.json()["detail"]


@pytest.mark.parametrize("decision", NEEDS)
def test_operators_group_may_use_the_whole_api(rows, decision):
    user = User.objects.create_user("ada")
    user.groups.add(Group.objects.get(name="Operators"))

    assert ask(a_program(a_token(user)), decision).status_code == 200


@pytest.mark.parametrize("decision", NEEDS)
@pytest.mark.parametrize("method", METHODS)
def test_an_address_has_its_methods_and_no_other(rows, decision, method):
    path = decision.split()[1]
    there_are = {each.split()[0] for each in NEEDS if each.endswith(f" {path}")}
    program = a_program(a_token(an_account("ada", CALL_AND_READ)))

    answer = ask(program, f"{method} {path}")

    if path == "/api/openapi.json":
        there_are.add("HEAD")
    assert (answer.status_code != 405) == (method in there_are)


def secret_of(user, **columns):
    secret = a_token(user)
    ApiToken.objects.filter(sha256=ApiToken.digest(secret)).update(**columns)
    return secret


STRANGERS = {
    "nothing": {},
    "empty": {"Authorization": ""},
    "no secret": {"Authorization": "Bearer"},
    "blank": {"Authorization": "Bearer  "},
    "made up": {"Authorization": "Bearer djt_" + "a" * 43},
    "NUL": {"Authorization": "Bearer \0"},
    "not ASCII": {"Authorization": "Bearer djt_\xff"},
    "long": {"Authorization": "Bearer " + "a" * 60_000},
    "another scheme": {"Authorization": "Basic {secret}"},
    "password": {"Authorization": "Basic YWRhOnNlY3JldA=="},
    "naked": {"Authorization": "{secret}"},
    "two": {"Authorization": "Bearer {secret} {secret}"},
    "other case": {"Authorization": "Bearer {swapped}"},
    "its hash": {"Authorization": "Bearer {sha256}"},
    "its prefix": {"Authorization": "Bearer {prefix}"},
    "another header": {"X-Api-Key": "{secret}", "X-Authorization": "Bearer {secret}"},
    "cookie": {"Cookie": "Authorization=Bearer {secret}; token={secret}"},
}


@pytest.mark.parametrize("decision", NEEDS)
@pytest.mark.parametrize("who", STRANGERS)
def test_request_without_a_valid_token_is_refused(rows, decision, who):
    secret = a_token(an_account("ada", CALL_AND_READ))
    token = ApiToken.objects.get()
    known = {"secret": secret, "swapped": secret.swapcase()}
    known |= {"sha256": token.sha256, "prefix": token.prefix}
    headers = {name: text.format(**known) for name, text in STRANGERS[who].items()}

    answer = ask(Client(), decision, **headers)

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer.json().keys() == {"detail"}
    assert not Access.objects.exists()


def test_a_token_in_the_address_is_none(rows):
    secret = a_token(an_account("ada", CALL_AND_READ))

    for name in ("token", "access_token", "api_key", "Authorization"):
        answer = Client().get("/api/calls", {name: secret})
        assert answer.status_code == 401


@pytest.mark.parametrize("decision", [each for each in NEEDS if "openapi" not in each])
def test_session_cookie_does_not_authenticate(rows, decision):
    root = User.objects.create_superuser("root")
    browser = Client()
    browser.force_login(root)

    assert ask(browser, decision).status_code == 401


def test_with_a_session_too_the_token_decides(rows):
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))
    secret = a_token(an_account("eve", ["view_call"]))

    answer = browser.get(
        "/api/transcripts", headers={"Authorization": f"Bearer {secret}"}
    )

    assert answer.status_code == 403


@pytest.mark.parametrize("decision", NEEDS)
def test_a_revoked_token_and_an_inactive_account_are_told_so(rows, decision):
    user = an_account("ada", CALL_AND_READ)
    revoked = a_program(secret_of(user, revoked_at=timezone.now()))
    left = a_program(a_token(user, "other"))
    User.objects.update(is_active=False)

    assert ask(revoked, decision).status_code == 401
    assert "revoked" in ask(revoked, decision).json()["detail"]
    assert ask(left, decision).status_code == 401
    assert "not active" in ask(left, decision).json()["detail"]


def test_a_permission_that_is_taken_away_is_gone_at_once(rows):
    user = an_account("ada", CALL_AND_READ)
    program = a_program(a_token(user))
    before = program.get("/api/calls").status_code

    user.user_permissions.clear()

    assert (before, program.get("/api/calls").status_code) == (200, 403)


def test_token_gives_no_access_outside_the_api(rows):
    """A superuser's token may use the whole API, but neither admin nor any page."""
    program = a_program(a_token(User.objects.create_superuser("root")))

    assert program.get("/api/calls").status_code == 200
    for page in ("/admin/", "/", f"/calls/{UUID}/", "/search/", "/api/"):
        assert program.get(page).status_code == 302


def test_another_site_cannot_dial_with_a_cookie(rows, vendors):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(User.objects.create_superuser("root"))
    evil = {"Origin": "https://evil.example"}
    body = '{"to": "+14155559876"}'

    for content_type in ("text/plain", "application/json", "multipart/form-data"):
        answer = browser.post(
            "/api/calls", body, content_type=content_type, headers=evil
        )
        assert answer.status_code == 401
    assert Call.objects.count() == 1
    assert not vendors.calls


def test_answers_are_kept_by_no_cache_on_the_way(rows):
    program = a_program(a_token(an_account("ada", CALL_AND_READ)))

    for decision in NEEDS:
        assert "no-store" in ask(program, decision)["Cache-Control"], decision
    assert "Access-Control-Allow-Origin" not in program.get("/api/calls")


# How a token is stored


def test_only_the_hash_of_a_secret_is_stored():
    secret = a_token(an_account("ada", []))

    kept = str(list(ApiToken.objects.values()))

    assert re.fullmatch(r"djt_[\w-]{43}", secret)
    assert secret not in kept
    assert secret[10:] not in kept


def test_no_two_secrets_are_alike():
    token = ApiToken()

    assert len({token.new_secret() for _ in range(100)}) == 100


def test_when_it_was_used_is_kept_once_a_minute():
    secret = a_token(an_account("ada", ["view_call"]))
    program = a_program(secret)

    program.get("/api/calls")
    first = ApiToken.objects.get().last_used_at
    program.get("/api/calls")
    again = ApiToken.objects.get().last_used_at
    long_ago = timezone.now() - timedelta(minutes=2)
    ApiToken.objects.update(last_used_at=long_ago)
    program.get("/api/calls")

    assert first == again is not None
    assert ApiToken.objects.get().last_used_at > long_ago


def test_refused_request_does_not_update_last_used():
    user = an_account("ada", ["view_call"])
    program = a_program(secret_of(user, revoked_at=timezone.now()))

    program.get("/api/calls")

    assert ApiToken.objects.get().last_used_at is None


def test_token_of_a_deleted_account_is_refused():
    user = an_account("ada", ["view_call"])
    secret = a_token(user)

    user.delete()

    assert a_program(secret).get("/api/calls").status_code == 401


# The token in admin

ADMIN = "/admin/djtranscribe/apitoken/"


@pytest.fixture
def root():
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def made_by(client, user, name="CRM"):
    return client.post(f"{ADMIN}add/", {"user": user.pk, "name": name})


def shown_in(answer):
    return re.findall(r">(djt_[\w-]{43})<", answer.text)


def test_a_superuser_makes_a_token_that_works_and_is_shown_once(root, rows):
    user = an_account("ada", ["view_call"])

    page = made_by(root, user)
    [secret] = shown_in(page)
    token = ApiToken.objects.get()
    later = [
        root.get(address).text
        for address in (ADMIN, f"{ADMIN}{token.pk}/change/", "/admin/", "/")
    ]

    assert a_program(secret).get("/api/calls").status_code == 200
    assert "no-store" in page["Cache-Control"]
    assert "messages" not in page.cookies
    assert not any(secret in text for text in later)
    assert token.prefix in later[0]
    assert token.prefix in later[1]


def test_the_secret_is_in_no_row_of_the_database(root):
    from django.apps import apps

    [secret] = shown_in(made_by(root, an_account("ada", [])))

    for model in apps.get_models():
        assert secret not in str(list(model.objects.values())), model


def test_a_reload_of_that_page_makes_no_second_one(root):
    user = an_account("ada", [])
    made_by(root, user)

    again = made_by(root, user)

    assert ApiToken.objects.count() == 1
    assert "already has a token with this name" in again.text
    assert not shown_in(again)


def test_columns_that_are_not_asked_for_are_not_taken(root):
    user = an_account("ada", [])
    sha256 = ApiToken.digest("mine")

    root.post(
        f"{ADMIN}add/",
        {"user": user.pk, "name": "a", "sha256": sha256, "prefix": "x"},
    )

    assert ApiToken.objects.get().sha256 != sha256
    assert ApiToken.objects.get().prefix.startswith("djt_")


def test_a_token_is_revoked_in_the_list_and_cannot_be_changed(root, rows):
    secret = a_token(an_account("ada", ["view_call"]))
    token = ApiToken.objects.get()

    changed = root.post(f"{ADMIN}{token.pk}/change/", {"name": "b", "revoked_at": ""})
    root.post(ADMIN, {"action": "revoke", "_selected_action": token.pk})
    first = ApiToken.objects.get().revoked_at
    root.post(ADMIN, {"action": "revoke", "_selected_action": token.pk})

    assert changed.status_code == 403
    assert a_program(secret).get("/api/calls").status_code == 401
    assert ApiToken.objects.get().revoked_at == first


def self_service():
    """Log in somebody who may manage API tokens, but is no superuser."""
    user = an_account("grace", ["add_apitoken", "view_apitoken", "change_apitoken"])
    user.is_staff = True
    user.save()
    client = Client()
    client.force_login(user)
    return client, user


def test_only_superusers_create_tokens_for_other_accounts(rows):
    client, me = self_service()
    root = User.objects.create_superuser("root")

    refused = made_by(client, root)
    mine = made_by(client, me)

    assert not shown_in(refused)
    assert len(shown_in(mine)) == 1
    assert ApiToken.objects.get().user == me
    assert "root" not in client.get(f"{ADMIN}add/").text


def test_only_superusers_see_or_revoke_tokens_of_other_accounts(rows):
    client, _ = self_service()
    a_token(User.objects.create_superuser("root"), "theirs")
    token = ApiToken.objects.get()

    client.post(ADMIN, {"action": "revoke", "_selected_action": token.pk})

    assert "theirs" not in client.get(ADMIN).text
    assert client.get(f"{ADMIN}{token.pk}/change/").status_code == 302
    assert ApiToken.objects.get().revoked_at is None


def test_an_account_with_tokens_can_be_deleted_in_admin(root):
    user = an_account("ada", [])
    a_token(user)

    root.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})

    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("name", ["Operators", "Supervisors"])
def test_no_group_has_token_permissions(name):
    tokens = Permission.objects.filter(codename__endswith="_apitoken")

    assert tokens.count() == 4
    assert not Group.objects.get(name=name).permissions.filter(pk__in=tokens).exists()


def test_no_secret_reaches_the_log(root, caplog, capfd, settings):
    caplog.set_level("DEBUG")
    settings.DEBUG = True
    user = an_account("ada", ["view_call"])
    [secret] = shown_in(made_by(root, user))
    program = a_program(secret)

    program.get("/api/calls")
    program.get("/api/nothing")
    dial(program)
    Client().get("/api/calls", headers={"Authorization": f"Foo {secret}"})

    assert secret[10:] not in caplog.text + "".join(capfd.readouterr())
