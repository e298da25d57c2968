"""Thousands of hostile requests: no server error, no changed row, no vendor request.

The requests use every URL and method, with bad headers, cookies, queries and bodies.
The senders are a stranger, and an account that may read but not dial. The account uses
a browser or an API token.
"""

import hashlib
import re
import sys
import traceback
from collections import Counter
from urllib.parse import quote, urlencode

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.signals import got_request_exception
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from caller.models import Call, DoNotCall, Recording
from djtranscribe.models import Access, VendorPause, WebhookDelivery
from tests.caller.rows import CALL_SID, a_call, a_recording
from tests.data import wav
from tests.djtranscribe.api.programs import a_token
from tests.fuzz import FUZZ
from tests.security.url_map import addresses
from transcription.models import Transcript, Vocabulary

pytestmark = pytest.mark.sql

UUID = "11111111-2222-4333-8444-555555555555"
DOMAIN = [Call, Recording, Transcript, Vocabulary, DoNotCall, VendorPause, User, Group]
# Requests may write these: access entries, webhook deliveries, sessions, failed logins,
# and the time when a token was used.
WRITABLE = re.compile(
    r'"(djtranscribe_(access|webhookdelivery|session)|axes_\w+)"'
    r'|UPDATE "djtranscribe_apitoken" SET "last_used_at"'
)
WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|DROP|ALTER|CREATE)\b", re.I)

ODD = [
    "",
    "0",
    "-1",
    "1",
    UUID,
    CALL_SID,
    "14155551234",
    "9" * 30,
    "9" * 5000,
    "\0",
    "a\0b",
    "%00",
    "%",
    "%ff",
    "../../etc/passwd",
    "..%2f",
    "\r\nX: y",
    "\ud7ff\uffff",
    "😀" * 50,
    "١٢٣",
    "²",
    "ﷺ",
    "\u202e",
    "' OR 1=1 --",
    '"><script>alert(1)</script>',
    "{{7*7}}",
    "{0.__class__}",
    "(",
    "[",
    "*",
    "NaN",
    "Infinity",
    "1e999",
    "null",
    "true",
    "__proto__",
    "A" * 70_000,
    "https://evil.example/",
    "//evil.example",
    "javascript:alert(1)",
    "2026-13-45",
    "0000-00-00",
]
text = st.one_of(st.sampled_from(ODD), st.text(max_size=30), st.integers().map(str))
# Web servers reject a header that contains NUL or a line end.
header_text = st.one_of(
    st.text(st.characters(max_codepoint=255, exclude_characters="\0\r\n"), max_size=60),
    st.sampled_from(
        [
            "",
            "https",
            "https, http",
            "none",
            "navigate",
            "document",
            "?1",
            "true",
            "bytes=0-",
            "bytes=-1",
            "bytes=5-1",
            "bytes=0-0,2-3",
            "bytes=" + "9" * 15 + "-",
            "text/html",
            "gzip;q=NaN",
            "Thu, 99 Foo 2026 99:99:99 GMT",
            "A" * 9000,
            "localhost:99999",
            "[::1",
            "a..b",
            "evil.example",
            "127.0.0.1:8000",
        ]
    ),
)
HEADERS = [
    "Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-For",
    "Origin",
    "Referer",
    "Range",
    "If-Range",
    "If-Modified-Since",
    "If-None-Match",
    "Accept",
    "Accept-Language",
    "Accept-Encoding",
    "User-Agent",
    "HX-Request",
    "HX-Current-URL",
    "HX-Target",
    "Sec-Fetch-Site",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Dest",
    "Sec-Fetch-User",
    "Sec-Purpose",
    "X-Twilio-Signature",
    "X-Djtranscribe-Token",
    "X-HTTP-Method-Override",
    "X-CSRFToken",
    "Authorization",
    "Content-Encoding",
    "Transfer-Encoding",
    "Expect",
]
COOKIES = [
    'sessionid="\\000\\000\\000\\000\\000\\000\\000\\000"',
    "sessionid=../../../etc/passwd",
    "sessionid=" + "a" * 5000,
    "sessionid=",
    "csrftoken=x; csrftoken=y",
    "csrftoken=" + "a" * 32,
    'csrftoken="\\000"',
    "messages=[[]]:x:y",
    'messages="\\377"',
    "=; ;;=a; \xff",
]
FIELDS = [
    "q",
    "p",
    "page",
    "o",
    "e",
    "all",
    "next",
    "number",
    "call",
    "vocabulary",
    "action",
    "_selected_action",
    "select_across",
    "post",
    "_facets",
    "_popup",
    "_to_field",
    "_changelist_filters",
    "status__exact",
    "status__in",
    "status__isnull",
    "status__regex",
    "attention",
    "created_at__year",
    "created_at__month",
    "created_at__day",
    "created_at__gte",
    "at__gte",
    "requested_by__id__exact",
    "vocabulary__id__exact",
    "recording__call__other_number__startswith",
    "id__in",
    "pk",
    "app_label",
    "model_name",
    "field_name",
    "term",
    "username",
    "password",
    "csrfmiddlewaretoken",
    "limit",
    "cursor",
    "since",
    "until",
    "status",
    "to",
    "words",
    "times",
    "speakers",
    "from",
    "kind",
    "export",
    "state",
    "operator",
    "country",
    "keywords",
    "length",
    "confidence",
    "language",
    "model",
    "origin",
    "person",
    "CallSid",
    "CallStatus",
    "AccountSid",
    "RecordingSid",
    "RecordingUrl",
    "Timestamp",
]
CONTENT_TYPES = [
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=klingon",
    "application/json",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "multipart/form-data; boundary=" + "x" * 300,
    "text/xml",
    "",
    "\xff",
]
ROUTES = [*sorted({route for route, _ in addresses()}), "/static/x", "/nothing/", "/"]
METHODS = ["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"]
ACTIONS = [
    "delete_selected",
    "ask_twilio",
    "try_again",
    "replay",
    "transcribe_again",
    "refresh_now",
    "export",
    "send_again",
    "revoke",
]
fields = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(FIELDS), text),
        st.one_of(text, st.sampled_from(ACTIONS)),
    ),
    max_size=4,
)


@st.composite
def paths(draw):
    route = draw(st.sampled_from(ROUTES))
    route = re.sub(r"\(\?P<app_label>[^)]*\)", "caller", route)
    route = re.sub(r"[\^$]", "", route)
    honest = {"uuid": UUID, "int": "1", "str": CALL_SID, "path": "1"}
    honest["uuidstr"] = UUID

    def fill(found):
        kind = (found[1] or "path").partition(":")[0]
        # Use a valid value for most requests, so that they reach a view.
        use_honest = draw(st.integers(0, 3))
        return quote(honest.get(kind, "1") if use_honest else draw(text), safe="")

    route = re.sub(
        r"<([^>]*)>|\(\?P<url>\.\*\)",
        lambda m: fill(m if m[1] else ("", "path")),
        route,
    )
    return route + draw(st.sampled_from([""] * 12 + ["/", "%00", "//", "?"]))


@st.composite
def bodies(draw):
    as_form = urlencode(draw(fields), errors="surrogatepass").encode()
    return draw(
        st.one_of(
            st.just(as_form),
            st.binary(max_size=200),
            st.sampled_from(
                [
                    b"",
                    b"{" * 5000,
                    b"[" * 5000,
                    b'{"to": "+14155559876"}',
                    b'{"to": "\\u0000", "vocabulary": 1e999}',
                    b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--",
                    b'--x\r\nContent-Disposition: form-data; name="a"; filename="../x"'
                    b"\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n--x--",
                    b"&".join(b"a%d=1" % number for number in range(1200)),
                    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
                ]
            ),
        )
    )


requests = st.fixed_dictionaries(
    {
        "who": st.sampled_from(["stranger", "reader", "reader", "program"]),
        "method": st.sampled_from([*METHODS, *["GET", "POST"] * 5]),
        "path": paths(),
        "query": fields,
        "headers": st.dictionaries(st.sampled_from(HEADERS), header_text, max_size=2),
        "cookies": st.lists(st.sampled_from(["", *COOKIES]), max_size=1),
        "content_type": st.sampled_from(CONTENT_TYPES),
        "body": bodies(),
        "secure": st.booleans(),
    }
)


class Target:
    """A site with one call and its transcript. Counts what goes wrong."""

    def __init__(self, vendors):
        self.vendors = vendors
        self.faults: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.requests = 0
        self.error = ""
        call = a_call(uuid=UUID, sid=CALL_SID, status="ringing")
        recording = a_recording(call=call)
        recording.store_audio([wav(0.1)])
        Transcript.objects.create(
            uuid=UUID, recording=recording, status="completed", text="Hello."
        )
        Vocabulary.objects.create(name="Cardiology")
        self.reader = User.objects.create_user("reader", is_staff=True)
        may = Permission.objects.filter(codename__startswith="view_")
        mine = may.filter(content_type__app_label__in=["caller", "transcription"])
        self.reader.user_permissions.set(mine)
        self.secret = a_token(self.reader)
        self.clients = {"stranger": Client(), "reader": Client()}
        for client in self.clients.values():
            client.raise_request_exception = False
        self.sign_in()

    def sign_in(self):
        self.clients["reader"].force_login(self.reader)
        cookie = self.clients["reader"].cookies["sessionid"].value
        self.session = f"sessionid={cookie}"
        User.objects.update(last_login=None)

    def attack(self, request):
        self.requests += 1
        client = self.clients["stranger"]
        client.cookies.clear()
        cookies = list(request["cookies"])
        if request["who"] == "reader":
            cookies = [*[c for c in cookies if "sessionid" not in c], self.session]
        headers = dict(request["headers"])
        if cookies:
            headers["Cookie"] = "; ".join(cookies)
        if request["who"] == "program":
            headers["Authorization"] = f"Bearer {self.secret}"
        query = urlencode(request["query"], errors="surrogatepass")
        path, _, more = request["path"].partition("?")
        self.error = ""
        written = []

        def watch(execute, sql, params, many, context):
            if WRITES.match(sql) and not WRITABLE.search(sql):
                written.append(sql)
            return execute(sql, params, many, context)

        with connection.execute_wrapper(watch):
            answer = client.generic(
                request["method"],
                path or "/",
                request["body"],
                content_type=request["content_type"],
                secure=request["secure"],
                headers=headers,
                QUERY_STRING=query + more,
            )
            answer.close()
        self.statuses[answer.status_code] += 1
        if answer.status_code >= 500:
            self.faults[f"{answer.status_code} {self.error}"] += 1
        for sql in written:
            self.faults[f"wrote: {sql[:60]}"] += 1
        if len(self.vendors.calls):
            self.faults["asked a vendor"] += 1
        if "logout" in path and request["method"] == "POST":
            self.sign_in()

    def note(self, request, **more):
        kind, value, where = sys.exc_info()
        frames = traceback.extract_tb(where)
        ours = [f for f in frames if "site-packages" not in f.filename] or frames
        last = ours[-1]
        self.error = (
            f"{kind.__name__}: {str(value)[:100]} in {last.name}, {request.path[:40]}"
        )


def digest():
    rows = [sorted(map(str, model.objects.values_list())) for model in DOMAIN]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("count", [200, pytest.param(FUZZ, marks=pytest.mark.slow)])
def test_hostile_requests_cause_no_error_change_or_cost(vendors, count, capsys):
    target = Target(vendors)
    got_request_exception.connect(target.note)
    before = digest()

    @seed(20_261_123)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests)
    def attack(request):
        target.attack(request)

    attack()
    got_request_exception.disconnect(target.note)

    with capsys.disabled():
        print(f"\n{target.requests} hostile requests: {dict(target.statuses)}")
    assert target.requests >= count
    assert target.statuses[200], "no answer had the status 200"
    faults = "\n".join(f"{many} x {fault}" for fault, many in target.faults.items())
    assert not faults, faults
    assert digest() == before
    assert len(vendors.calls) == 0
    # At most 30 refused webhooks a minute are stored. The test takes less than an hour.
    assert WebhookDelivery.objects.count() <= 30 * 60
    assert Access.objects.count() <= 10


# Faults that the test above has found


@pytest.fixture
def reader(vendors, transactional_db):
    target = Target(vendors)
    return target.clients["reader"]


@pytest.mark.parametrize(
    "query",
    [
        {"created_at__year": "9" * 30},
        {"created_at__year": "99999"},
        {"created_at__gte": "tomorrow"},
        {"status__exact": "\0"},
        {"status__in": "\0"},
        {"status__regex": "("},
        {"requested_by__id__exact": "9" * 40},
        {"q": "\0"},
        {"p": "9" * 40},
    ],
    ids=str,
)
def test_odd_filter_in_admin_causes_no_server_error(reader, query):
    answer = reader.get("/admin/caller/call/", query)

    assert answer.status_code < 500


@pytest.mark.parametrize(
    "query", [{"from": "tomorrow"}, {"created_at__year": "9" * 30}]
)
@pytest.mark.parametrize("table", ["caller/call", "transcription/transcript"])
def test_odd_filter_on_the_admin_error_page_is_removed(reader, table, query):
    answer = reader.get(f"/admin/{table}/", {**query, "e": "1"})

    assert answer["Location"] == f"/admin/{table}/?e=1"


@pytest.mark.parametrize("key", ["", "a", "9" * 40, "-1", "²", "1\0"])
@pytest.mark.parametrize("table", ["caller/call", "transcription/transcript"])
def test_admin_action_on_invalid_rows_causes_no_server_error(reader, table, key):
    chosen = {"action": "export", "_selected_action": ["1", key]}

    answer = reader.post(f"/admin/{table}/", chosen)

    assert answer["Location"] == f"/admin/{table}/?e=1"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cookie", COOKIES)
@pytest.mark.parametrize("path", ["/", "/admin/login/", "/dial/14155551234/"])
def test_an_odd_cookie_is_no_fault_of_ours(path, cookie):
    client = Client(raise_request_exception=False)

    answer = client.get(path, headers={"Cookie": cookie})

    assert answer.status_code < 500


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [("/nothing/", "testserver", 404), ("/", "[", 400), ("/", "other.example", 400)],
)
def test_an_error_page_does_not_need_a_valid_body(path, host, status):
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32

    answer = client.post(
        path, "x", content_type="multipart/form-data; boundary=", headers={"Host": host}
    )

    assert answer.status_code == status


@pytest.mark.parametrize("end", ["change", "delete"])
@pytest.mark.parametrize("table", ["caller/call", "transcription/transcript"])
def test_empty_field_name_in_admin_causes_no_server_error(reader, table, end):
    answer = reader.get(f"/admin/{table}/1/{end}/?_to_field=")

    assert answer.status_code < 500
