"""Every page for people, found in the URL map.

A new page fails here until somebody has decided who may see it and with which methods.
The tests also check that other sites cannot press its buttons (CSRF).
"""

import re
from dataclasses import dataclass

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.utils import timezone

from caller.models import Call, Contact, DoNotCall, Note, Recording, Tag
from djtranscribe.models import Access, VendorPause, WebhookDelivery
from tests.caller.rows import CALL_SID, a_call, a_recording
from tests.data import load, wav
from tests.security.url_map import (
    addresses,
    finish,
    is_api,
    is_csrf_exempt,
    is_open,
    is_webhook,
)
from transcription.models import (
    Deletion,
    Export,
    Mistake,
    Notification,
    Transcript,
    Vocabulary,
)

pytestmark = pytest.mark.django_db

# The primary key of every row here. It is larger than any automatic key in a test.
ROW = 70_001
UUID = "11111111-2222-4333-8444-555555555555"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"]
TO_LOGIN = "to the login"


@dataclass(frozen=True)
class Page:
    """What GET answers to four kinds of people, and the allowed methods.

    nobody: an account without any permission. example: a path of this route.
    """

    stranger: int | str
    nobody: int
    operator: int
    supervisor: int
    methods: tuple[str, ...] = ("GET", "HEAD")
    example: str = ""


PAGES = {
    "/": Page(TO_LOGIN, 200, 200, 200),
    "/dial/": Page(
        *(TO_LOGIN, 403, 302, 302, ("GET", "HEAD", "POST")),
        "/dial/?number=14155559876",
    ),
    "/dial/<str:number>/": Page(
        TO_LOGIN, 403, 200, 200, ("GET", "HEAD", "POST"), "/dial/14155559876/"
    ),
    "/calls/<uuid:uuid>/": Page(TO_LOGIN, 403, 200, 200, example=f"/calls/{UUID}/"),
    "/dial/check/": Page(TO_LOGIN, 405, 405, 405, ("POST",), "/dial/check/"),
    "/calls/<uuid:uuid>/ask/": Page(
        TO_LOGIN, 405, 405, 405, ("POST",), f"/calls/{UUID}/ask/"
    ),
    "/calls/<uuid:uuid>/number/": Page(
        TO_LOGIN, 403, 200, 200, example=f"/calls/{UUID}/number/"
    ),
    **{
        f"/calls/<uuid:uuid>/{end}": Page(
            TO_LOGIN, 405, 405, 405, ("POST",), f"/calls/{UUID}/{end}"
        )
        for end in ("number/name/", "notes/", "tags/")
    },
    "/calls/<uuid:uuid>/notes/<int:pk>/delete/": Page(
        *(TO_LOGIN, 405, 405, 405, ("POST",)), f"/calls/{UUID}/notes/{ROW}/delete/"
    ),
    "/costs/": Page(TO_LOGIN, 403, 403, 200),
    "/phone/": Page(TO_LOGIN, 403, 200, 200, ("GET", "HEAD", "POST")),
    "/contacts/import/": Page(TO_LOGIN, 403, 200, 200, ("GET", "HEAD", "POST")),
    "/recordings/<int:pk>/audio/": Page(
        TO_LOGIN, 403, 200, 200, example=f"/recordings/{ROW}/audio/"
    ),
    "/get-recording-url/<str:call_sid>/": Page(
        TO_LOGIN, 403, 200, 200, example=f"/get-recording-url/{CALL_SID}/"
    ),
    "/search/": Page(TO_LOGIN, 403, 200, 200),
    "/transcripts/<uuid:uuid>/export/<str:extension>/": Page(
        TO_LOGIN, 403, 200, 200, example=f"/transcripts/{UUID}/export/txt/"
    ),
    "/transcripts/<uuid:uuid>/retry/": Page(
        TO_LOGIN, 405, 405, 405, ("POST",), f"/transcripts/{UUID}/retry/"
    ),
    **{
        f"/transcripts/<uuid:uuid>/{name}/": Page(
            TO_LOGIN, 403, 200, 200, example=f"/transcripts/{UUID}/{name}/"
        )
        for name in ("history", "compare", "print")
    },
    **{
        f"/transcripts/<uuid:uuid>/{verb}/": Page(
            TO_LOGIN, 405, 405, 405, ("POST",), f"/transcripts/{UUID}/{verb}/"
        )
        for verb in (
            *("corrections", "undo", "redo", "replace", "preview", "speakers"),
            *("verify", "reopen", "again"),
        )
    },
    "/accuracy/": Page(TO_LOGIN, 403, 200, 200),
    "/keyword-lists/suggestions/": Page(TO_LOGIN, 403, 403, 200),
    "/keyword-lists/suggestions/<int:pk>/occurrences/": Page(
        TO_LOGIN,
        403,
        403,
        200,
        example=f"/keyword-lists/suggestions/{ROW}/occurrences/",
    ),
    "/keyword-lists/suggestions/<int:pk>/settle/": Page(
        *(TO_LOGIN, 405, 405, 405, ("POST",)),
        f"/keyword-lists/suggestions/{ROW}/settle/",
    ),
    "/keyword-lists/suggestions/<int:pk>/apply/": Page(
        *(TO_LOGIN, 405, 405, 405, ("POST",)),
        f"/keyword-lists/suggestions/{ROW}/apply/",
    ),
    "/corrections/": Page(TO_LOGIN, 403, 403, 200),
    "/corrections/<int:pk>/undo/": Page(
        *(TO_LOGIN, 405, 405, 405, ("POST",)), f"/corrections/{ROW}/undo/"
    ),
    "/keyword-lists/check/": Page(
        TO_LOGIN, 405, 405, 405, ("POST",), "/keyword-lists/check/"
    ),
    "/keyword-lists/<int:pk>/terms.<str:extension>": Page(
        TO_LOGIN, 403, 200, 200, example=f"/keyword-lists/{ROW}/terms.csv"
    ),
    # The page about the API. For the API, see tests/djtranscribe/api/test_access.py.
    "/api/": Page(TO_LOGIN, 200, 200, 200),
    "/exports/<uuid:uuid>/progress/": Page(
        TO_LOGIN, 403, 200, 200, example=f"/exports/{UUID}/progress/"
    ),
    "/profile/": Page(TO_LOGIN, 200, 200, 200, ("GET", "HEAD", "POST")),
    "/profile/log-out/": Page(TO_LOGIN, 405, 405, 405, ("POST",)),
    "/password-reset/": Page(200, 200, 200, 200, ("GET", "HEAD", "POST")),
    "/password-reset/<str:uidb64>/<str:token>/": Page(
        *(200, 200, 200, 200, ("GET", "HEAD", "POST")), "/password-reset/MQ/a-b/"
    ),
    "/calls/<uuid:uuid>/person/": Page(
        *(TO_LOGIN, 403, 403, 200, ("GET", "HEAD", "POST")), f"/calls/{UUID}/person/"
    ),
    "/calls/<uuid:uuid>/person/export/": Page(
        TO_LOGIN, 403, 403, 200, example=f"/calls/{UUID}/person/export/"
    ),
    "/deletions/<int:pk>/": Page(TO_LOGIN, 403, 403, 200, example=f"/deletions/{ROW}/"),
    "/healthz": Page(200, 200, 200, 200),
    # The tests here have no METRICS_TOKEN, so this is a 404. See also
    # tests/djtranscribe/test_metrics.py.
    "/metrics": Page(404, 404, 404, 404),
    # Pages of Django's admin.
    "/admin/": Page(TO_LOGIN, 200, 200, 200),
    "/admin/login/": Page(200, 302, 302, 302),
    "/admin/logout/": Page(TO_LOGIN, 405, 405, 405, ("POST",)),
    "/admin/password_change/": Page(TO_LOGIN, 200, 200, 200),
    "/admin/password_change/done/": Page(TO_LOGIN, 200, 200, 200),
    "/admin/autocomplete/": Page(TO_LOGIN, 403, 403, 403),
    "/admin/jsi18n/": Page(TO_LOGIN, 200, 200, 200),
    "/admin/r/<path:content_type_id>/<path:object_id>/": Page(
        TO_LOGIN, 404, 404, 404, example="/admin/r/999/1/"
    ),
    "/admin/(?P<url>.*)$": Page(TO_LOGIN, 404, 404, 404, example="/admin/nothing"),
    "/admin/auth/user/<id>/password/": Page(
        TO_LOGIN, 403, 403, 403, example=f"/admin/auth/user/{ROW}/password/"
    ),
}


@dataclass(frozen=True)
class Table:
    """A model in admin: what operators and supervisors may do with its rows.

    Each field names some of `view`, `add`, `change` and `delete`.
    """

    operator: str = ""
    supervisor: str = ""


TABLES = {
    "caller.call": Table("view", "view delete"),
    "caller.recording": Table("view", "view delete"),
    "caller.donotcall": Table("", "view add change delete"),
    "caller.contact": Table("view add change", "view add change delete"),
    "caller.tag": Table("view", "view add change delete"),
    "transcription.transcript": Table("view", "view delete"),
    "transcription.vocabulary": Table("view", "view add change delete"),
    "transcription.notification": Table("", "view"),
    "transcription.export": Table("", "view"),
    "transcription.deletion": Table("", "view"),
    "djtranscribe.webhookdelivery": Table("", "view"),
    "djtranscribe.access": Table("", "view"),
    "djtranscribe.vendorpause": Table("", "view"),
    # Only superusers may see these tables.
    "djtranscribe.apitoken": Table(),
    "djtranscribe.profile": Table(),
    "auth.user": Table(),
    "auth.group": Table(),
}
OF_A_TABLE = {"": "view", "add/": "add"}
OF_A_ROW = {"history/": "view", "delete/": "delete", "change/": "view", "": "view"}


def table_of(route):
    """Split a route of admin: `/admin/caller/call/add/` -> `caller.call`, `add/`."""
    found = re.fullmatch(r"/admin/(\w+)/(\w+)/(.*)", route)
    name = f"{found[1]}.{found[2]}" if found else ""
    return (name, found[3]) if found and route not in PAGES else ("", "")


def test_every_page_has_a_decision():
    undecided = set()
    for route, view in addresses():
        name, rest = table_of(route)
        is_decided = route in PAGES or "app_label" in route
        if name in TABLES:
            rest = rest.removeprefix("<path:object_id>/")
            is_decided = rest in {*OF_A_TABLE, *OF_A_ROW}
        if not (is_webhook(view) or is_api(route) or is_decided):
            undecided.add(route)

    assert not undecided


def test_every_decision_is_about_an_existing_page():
    found = {route for route, _ in addresses()}
    models = {f"{m._meta.app_label}.{m._meta.model_name}" for m in admin.site._registry}

    assert PAGES.keys() <= found
    assert models == TABLES.keys()


def test_only_listed_pages_are_public_and_all_check_csrf():
    for route, view in addresses():
        if not (is_webhook(view) or is_api(route)):
            is_for_strangers = route in PAGES and PAGES[route].stranger != TO_LOGIN
            assert is_open(view) == is_for_strangers, route
            assert not is_csrf_exempt(view), route


# One row of each model


@pytest.fixture
def rows(media):
    call = a_call(
        pk=ROW, uuid=UUID, sid=CALL_SID, status="completed", next_check_at=None
    )
    recording = a_recording(pk=ROW, call=call)
    recording.store_audio([wav()])
    transcript = Transcript.objects.create(
        uuid=UUID, pk=ROW, recording=recording, status="completed", text="Hi"
    )
    Notification.objects.create(
        pk=ROW,
        transcript=transcript,
        about=UUID,
        kind="webhook",
        event="transcript.completed",
        state="given-up",
        finished_at=timezone.now(),
        facts={},
    )
    Vocabulary.objects.create(pk=ROW, name="Cardiology")
    Mistake.objects.create(pk=ROW, heard="hi", corrected="Hey")
    Export.objects.create(pk=ROW, kind="CSV", total=2)
    Deletion.objects.create(pk=ROW, reason="retention")
    DoNotCall.objects.create(pk=ROW, number="+14155550007")
    Contact.objects.create(pk=ROW, name="Ada")
    Note.objects.create(pk=ROW, call=call, text="A note", author=None)
    Tag.objects.create(pk=ROW, name="billing")
    WebhookDelivery.objects.create(
        pk=ROW, kind="twilio-call", verdict="accepted", answer_status=204, body={}
    )
    user = User.objects.create_user("somebody", pk=ROW)
    Access.objects.create(pk=ROW, user=user, action="read", what="transcript", row=ROW)
    Group.objects.create(pk=ROW, name="Others")
    return call


def account(name, *groups):
    user = User.objects.create_user(name, password="secret", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    assert user.groups.count() == len(groups)
    return user


def client_of(who, **options):
    client = Client(**options)
    if who == "nobody":
        client.force_login(account("nobody"))
    if who == "operator":
        client.force_login(account("ada", "Operators"))
    if who == "supervisor":
        client.force_login(account("grace", "Supervisors"))
    return client


def outcome(answer):
    login = answer.status_code == 302 and "/login/" in answer["Location"]
    return TO_LOGIN if login else answer.status_code


@pytest.mark.sql
@pytest.mark.parametrize("who", ["stranger", "nobody", "operator", "supervisor"])
def test_page_access_matches_the_decisions(rows, who):
    client = client_of(who)

    found = {}
    for route, page in PAGES.items():
        answer = client.get(page.example or route)
        found[route] = outcome(answer)
        finish(answer)

    assert found == {route: getattr(page, who) for route, page in PAGES.items()}


@pytest.mark.parametrize("method", METHODS)
def test_pages_accept_only_the_listed_methods(rows, method):
    client = client_of("supervisor")

    for route, page in PAGES.items():
        dials = (route, method) == ("/dial/<str:number>/", "POST")
        if not dials and not route.startswith("/admin/"):
            answer = client.generic(method, page.example or route)
            finish(answer)
            assert (answer.status_code != 405) == (method in page.methods), route


def test_cross_site_post_is_refused(rows):
    strict = client_of("supervisor", enforce_csrf_checks=True)
    evil = {"Origin": "https://evil.example"}

    found = {
        route: strict.post(page.example or route, headers=evil).status_code
        for route, page in PAGES.items()
    }

    assert found == dict.fromkeys(PAGES, 403)
    assert Call.objects.count() == 1


@pytest.mark.sql
@pytest.mark.parametrize("who", ["nobody", "operator", "supervisor"])
def test_admin_access_matches_the_decisions(rows, who):
    client = client_of(who)
    now = timezone.now()
    VendorPause.objects.create(pk=ROW, vendor="a", reason="The key.", probe_at=now)
    expected, found = {}, {}

    for table, decision in TABLES.items():
        may = set(getattr(decision, who, "").split())
        address = f"/admin/{table.replace('.', '/')}/"
        for end, deed in OF_A_TABLE.items():
            found[address + end] = outcome(client.get(address + end))
            expected[address + end] = 200 if deed in may else 403
        for end, deed in OF_A_ROW.items():
            path = f"{address}{ROW}/{end}"
            found[path] = outcome(client.get(path, follow=end == ""))
            expected[path] = 200 if deed in may else 403
            if not may and not has_row(table) and found[path] in (302, 404):
                # This table has no row, so admin redirects or answers 404. Both are as
                # good as a 403.
                expected[path] = found[path]

    assert found == expected


def has_row(table):
    model = apps.get_model(table)
    return model.objects.filter(pk=ROW).exists()


def test_no_table_in_admin_opens_to_a_stranger(rows, client):
    for table in TABLES:
        address = f"/admin/{table.replace('.', '/')}/"
        ends = [*OF_A_TABLE, *(f"{ROW}/{end}" for end in OF_A_ROW)]
        for end in ends:
            answer = client.get(address + end, follow=end == f"{ROW}/")
            is_login = "Log in" in answer.text and answer.status_code == 200
            assert is_login or outcome(answer) == TO_LOGIN, address + end


def test_another_site_cannot_press_a_button_of_admin(rows):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("root"))

    for table in TABLES:
        address = f"/admin/{table.replace('.', '/')}/"
        for end in ["", "add/", f"{ROW}/change/", f"{ROW}/delete/"]:
            answer = strict.post(
                address + end,
                {"post": "yes", "action": "delete_selected", "_selected_action": ROW},
                headers={"Origin": "https://evil.example"},
            )
            assert answer.status_code == 403, address + end


# What the groups may do on the pages


@pytest.fixture
def operator_client(rows):
    return client_of("operator")


@pytest.fixture
def supervisor_client(rows):
    return client_of("supervisor")


def act(client, table, action, **more):
    return client.post(
        f"/admin/{table}/", {"action": action, "_selected_action": [str(ROW)], **more}
    )


def test_an_operator_dials_listens_and_reads(operator_client, vendors):
    vendors.post(
        "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001"
        "/Calls.json",
        json=load("twilio/call", sid="CA" + "7" * 32),
        status=201,
    )

    dialled = operator_client.post("/dial/14155559876/")
    heard = operator_client.get(f"/recordings/{ROW}/audio/")
    read = operator_client.get(f"/calls/{UUID}/")

    assert dialled["Location"].startswith("/calls/")
    assert b"".join(heard.streaming_content).startswith(b"RIFF")
    assert "Hi" in read.text


@pytest.mark.parametrize(
    ("table", "model"),
    [
        ("caller/call", Call),
        ("caller/recording", Recording),
        ("transcription/transcript", Transcript),
        ("transcription/vocabulary", Vocabulary),
        ("caller/donotcall", DoNotCall),
        ("djtranscribe/webhookdelivery", WebhookDelivery),
        ("djtranscribe/access", Access),
    ],
)
def test_an_operator_deletes_nothing(operator_client, table, model):
    answers = [
        operator_client.post(f"/admin/{table}/{ROW}/delete/", {"post": "yes"}),
        act(operator_client, table, "delete_selected", post="yes"),
    ]

    assert model.objects.count() == 1
    assert answers[0].status_code == 403
    assert "delete_selected" not in operator_client.get(f"/admin/{table}/").text


@pytest.mark.parametrize("action", ["try_again", "refresh_now", "transcribe_again"])
def test_an_operator_retries_nothing(operator_client, action):
    Transcript.objects.update(status="error", error_class="permanent")
    before = list(Transcript.objects.values())

    act(operator_client, "transcription/transcript", action)

    assert list(Transcript.objects.values()) == before
    page = operator_client.get("/admin/transcription/transcript/").text
    assert action not in page


def test_an_operator_changes_no_keyword_list(operator_client):
    fields = {"name": "Mine", "terms": "", "custom_spellings": ""}

    answers = [
        operator_client.post(f"/admin/transcription/vocabulary/{ROW}/change/", fields),
        operator_client.post("/admin/transcription/vocabulary/add/", fields),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert Vocabulary.objects.get().name == "Cardiology"


def contact_form(number, typed):
    """Return admin's form for the contact of `number`. It changes the number."""
    return {
        "name": "Bob",
        "numbers-TOTAL_FORMS": "1",
        "numbers-INITIAL_FORMS": "1",
        "numbers-0-id": number.pk,
        "numbers-0-contact": number.contact_id,
        "numbers-0-number": typed,
    }


@pytest.mark.parametrize(
    "protected",
    [{"do_not_call": True}, {"retain_audio_days": 0}, {"retain_text_days": 3650}],
)
def test_an_operator_changes_no_number_of_a_protected_contact(
    rows, operator_client, protected
):
    Contact.objects.update(**protected)
    contact = Contact.objects.get()
    number = contact.numbers.create(number="+14155550123")
    typed = contact_form(number, "+14155550124")

    operator_client.post(f"/admin/caller/contact/{ROW}/change/", typed)

    number.refresh_from_db()
    assert number.number == "+14155550123"


def test_only_a_user_who_may_allow_calls_deletes_the_number_of_a_blocked_contact(
    rows, operator_client
):
    operators = Group.objects.get(name="Operators")
    may_delete = Permission.objects.filter(
        codename__in=["delete_contactnumber", "delete_contact"]
    )
    operators.permissions.add(*may_delete)
    Contact.objects.update(do_not_call=True)
    contact = Contact.objects.get()
    number = contact.numbers.create(number="+14155550123")
    typed = {**contact_form(number, number.number), "numbers-0-DELETE": "on"}

    operator_client.post(f"/admin/caller/contact/{ROW}/change/", typed)
    operator_client.post(f"/admin/caller/contact/{ROW}/delete/", {"post": "yes"})
    act(operator_client, "caller/contact", "delete_selected", post="yes")
    refused = contact.numbers.count()
    operators.permissions.add(Permission.objects.get(codename="change_donotcall"))
    typed |= {"do_not_call": "on"}
    operator_client.post(f"/admin/caller/contact/{ROW}/change/", typed)

    assert (refused, contact.numbers.count()) == (1, 0)


@pytest.mark.parametrize("who", ["operator", "supervisor"])
def test_only_a_supervisor_decides_how_long_calls_are_kept_and_who_is_called(rows, who):
    contact = Contact.objects.get()
    Contact.objects.update(do_not_call=True, retain_audio_days=0, retain_text_days=3650)
    number = contact.numbers.create(number="+14155550123")
    client = client_of(who)
    typed = {
        **contact_form(number, "+14155550124"),
        "retain_audio_days": "1",
        "retain_text_days": "1",
    }

    client.post(f"/admin/caller/contact/{ROW}/change/", typed)
    client.post(
        "/admin/caller/contact/add/",
        {**typed, "numbers-TOTAL_FORMS": "0", "numbers-INITIAL_FORMS": "0"},
    )

    number.refresh_from_db()
    columns = ("name", "do_not_call", "retain_audio_days", "retain_text_days")
    found = [
        number.number,
        *Contact.objects.order_by("created_at").values_list(*columns),
    ]
    if who == "supervisor":
        assert found == ["+14155550124", *2 * [("Bob", False, 1, 1)]]
    else:
        kept, added = ("Bob", True, 0, 3650), ("Bob", False, None, None)
        assert found == ["+14155550123", kept, added]


@pytest.mark.parametrize("table", ["webhookdelivery", "access", "vendorpause"])
def test_operator_does_not_see_webhook_deliveries_access_log_or_pauses(
    operator_client, table
):
    assert operator_client.get(f"/admin/djtranscribe/{table}/").status_code == 403
    assert f"/djtranscribe/{table}/" not in operator_client.get("/admin/").text


def test_an_operator_sends_no_notification_again(operator_client, settings):
    settings.NOTIFY_URL = "https://receiver.example.com/"

    act(operator_client, "transcription/notification", "send_again")

    assert Notification.objects.get().state == "given-up"


def test_a_supervisor_sends_a_notification_again_and_erases_none(
    supervisor_client, settings
):
    settings.NOTIFY_URL = "https://receiver.example.com/"
    path = "transcription/notification"

    act(supervisor_client, path, "send_again")
    erased = supervisor_client.post(f"/admin/{path}/{ROW}/delete/", {"post": "yes"})
    act(supervisor_client, path, "delete_selected", post="yes")

    assert erased.status_code == 403
    assert Notification.objects.get().state == "pending"


def test_an_operator_does_not_replay(operator_client):
    act(operator_client, "djtranscribe/webhookdelivery", "replay")

    assert WebhookDelivery.objects.get().replayed_at is None


@pytest.mark.sql
def test_supervisor_deletes_a_call_with_its_recordings_and_transcripts(
    supervisor_client,
):
    supervisor_client.post(f"/admin/caller/call/{ROW}/delete/", {"post": "yes"})

    assert not Call.objects.exists()
    assert not Recording.objects.exists()
    assert not Transcript.objects.exists()


def test_deleted_recording_is_removed_from_the_disk(
    supervisor_client, media, django_capture_on_commit_callbacks
):
    assert [path for path in media.rglob("*") if path.is_file()]

    with django_capture_on_commit_callbacks(execute=True):
        supervisor_client.post(
            f"/admin/caller/recording/{ROW}/delete/", {"post": "yes"}
        )

    assert not Recording.objects.exists()
    assert not [path for path in media.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("try_again", "error"),
        ("refresh_now", "queued"),
        ("transcribe_again", "completed"),
    ],
)
def test_a_supervisor_retries(supervisor_client, action, status):
    Transcript.objects.update(status=status)

    answer = act(supervisor_client, "transcription/transcript", action)

    assert outcome(answer) == 302
    if action == "transcribe_again":
        assert Transcript.objects.count() == 2
    else:
        assert Transcript.objects.get().next_attempt_at
    if action == "try_again":
        assert Transcript.objects.get().status != "error"


def test_a_supervisor_changes_keyword_lists(supervisor_client):
    fields = {
        "name": "Heart",
        "terms": "metoprolol",
        "custom_spellings": "",
        "versions-TOTAL_FORMS": 0,
        "versions-INITIAL_FORMS": 0,
    }

    supervisor_client.post(f"/admin/transcription/vocabulary/{ROW}/change/", fields)
    fields["name"] = "Lung"
    supervisor_client.post("/admin/transcription/vocabulary/add/", fields)

    names = Vocabulary.objects.values_list("name", flat=True)
    assert set(names) == {"Heart", "Lung"}


def test_supervisor_reads_and_replays_deliveries_but_cannot_delete_them(
    supervisor_client,
):
    read = supervisor_client.get(f"/admin/djtranscribe/webhookdelivery/{ROW}/change/")
    act(supervisor_client, "djtranscribe/webhookdelivery", "replay")
    for table in ("webhookdelivery", "access"):
        path = f"/admin/djtranscribe/{table}/"
        assert supervisor_client.post(f"{path}{ROW}/delete/").status_code == 403
        act(supervisor_client, f"djtranscribe/{table}", "delete_selected", post="yes")

    assert "Twilio: status of a call" in read.text
    assert WebhookDelivery.objects.get().replayed_at
    assert Access.objects.filter(pk=ROW).exists()


@pytest.mark.parametrize("who", ["operator", "supervisor"])
def test_groups_cannot_create_users_or_raise_their_own_rights(rows, who):
    client = client_of(who)
    me = User.objects.get(username={"operator": "ada", "supervisor": "grace"}[who])

    client.post("/admin/auth/user/add/", {"username": "eve", "password1": "x"})
    client.post(f"/admin/auth/user/{me.pk}/change/", {"is_superuser": "on"})
    client.post(f"/admin/auth/user/{me.pk}/password/", {"password1": "x"})

    me.refresh_from_db()
    assert not me.is_superuser
    assert me.check_password("secret")
    assert not User.objects.filter(username="eve").exists()


@pytest.mark.sql
def test_password_hash_cannot_be_read_through_a_filter(operator_client):
    for table, field in (
        ("caller/call", "requested_by__password__startswith"),
        ("transcription/transcript", "recording__call__requested_by__password__regex"),
    ):
        answer = operator_client.get(f"/admin/{table}/", {field: "pbkdf2"})
        assert answer.status_code == 400, field


@pytest.mark.sql
@pytest.mark.parametrize("name", ["Operators", "Supervisors"])
def test_groups_have_exactly_the_expected_permissions(name):
    held = {
        f"{permission.content_type.app_label}.{permission.codename}"
        for permission in Group.objects.get(name=name).permissions.all()
    }
    operators = {
        "caller.add_call",
        "caller.view_call",
        "caller.view_recording",
        *(f"caller.{verb}_contact" for verb in ("view", "add", "change")),
        *(f"caller.{verb}_contactnumber" for verb in ("view", "add", "change")),
        *("caller.view_note", "caller.add_note", "caller.view_tag"),
        "transcription.view_transcript",
        "transcription.correct_transcript",
        "transcription.view_vocabulary",
    }
    supervisors = operators | {
        *("caller.delete_call", "caller.view_costs"),
        "caller.delete_recording",
        *("caller.delete_contact", "caller.delete_contactnumber"),
        *("caller.delete_note", "caller.add_tag", "caller.change_tag"),
        "caller.delete_tag",
        "caller.view_donotcall",
        "caller.add_donotcall",
        "caller.change_donotcall",
        "caller.delete_donotcall",
        "transcription.verify_transcript",
        "transcription.add_transcript",
        "transcription.delete_transcript",
        "transcription.add_vocabulary",
        "transcription.change_vocabulary",
        "transcription.delete_vocabulary",
        "transcription.view_vocabularyversion",
        "transcription.view_notification",
        "transcription.change_notification",
        "transcription.view_export",
        *("transcription.erase_person", "transcription.view_deletion"),
        "djtranscribe.view_access",
        "djtranscribe.view_webhookdelivery",
        "djtranscribe.change_webhookdelivery",
        "djtranscribe.view_vendorpause",
        "djtranscribe.change_vendorpause",
    }

    assert held == {"Operators": operators, "Supervisors": supervisors}[name]
