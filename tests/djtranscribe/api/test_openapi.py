"""The API does what its OpenAPI document and its documentation page say.

Thousands of valid and invalid requests get only answers that are in the document.
"""

import json
import re
from collections import Counter
from functools import cache
from itertools import count as counter
from urllib.parse import quote, urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse
from openapi_spec_validator import validate

from caller.models import Call
from djtranscribe.api import docs
from tests.caller.rows import CALL_SID, CALLS, a_call, a_recording
from tests.data import load, wav
from tests.djtranscribe.api.programs import (
    BODIES,
    CALL_AND_READ,
    a_program,
    a_token,
    an_account,
)
from tests.fuzz import FUZZ
from tests.security.test_fuzz import ODD, text
from tests.security.url_map import finish
from transcription.models import Transcript, Vocabulary

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Ignore warnings of openapi-core and jsonschema, which are not about our code.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

UUID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def document(client):
    client.force_login(User.objects.create_user("reader"))
    return client.get("/api/openapi.json").json()


def test_it_is_openapi(document):
    validate(document)

    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "https://djtranscribe.example.com"}]


def test_every_operation_asks_for_the_token_and_names_its_permissions(document):
    from djtranscribe.api.operations import api

    needs = {
        operation.view_func.__name__: operation.auth_callbacks[0].permissions
        for _, router in api._routers
        for view in router.path_operations.values()
        for operation in view.operations
    }
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["security"] == [{"Bearer": []}]
            for permission in needs.pop(operation["operationId"]):
                assert f"`{permission}`" in operation["description"]
    assert not needs
    scheme = document["components"]["securitySchemes"]["Bearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_document_contains_no_secret(document, settings):
    said = json.dumps(document)

    assert settings.TWILIO_AUTH_TOKEN not in said
    assert settings.SECRET_KEY not in said


# Requests that are generated from the document


PATH_VALUES = {
    "uuid": [UUID] * 9 + ["1"],
    "id": ["1"] * 9 + ["0", "9" * 30],
    "extension": ["txt", "pdf", "srt", "json", "exe"],
}
SENT = [
    *BODIES.values(),
    {"revision": 9, "corrections": [{"first": 0, "last": 9, "text": "\0"}]},
    {"to": "+14155559876"},
    {"to": "+14155559876", "vocabulary": "Cardiology"},
    {"to": "911"},
    {},
]


@st.composite
def requests(draw, document):
    path = draw(st.sampled_from(sorted(document["paths"])))
    method = draw(st.sampled_from(sorted(document["paths"][path])))
    operation = document["paths"][path][method]
    query, headers = {}, {}
    address = path
    for parameter in operation["parameters"]:
        name, where = parameter["name"], parameter["in"]
        if where == "path":
            value = draw(IN_PATHS[name])
            address = address.replace(f"{{{name}}}", quote(value, safe=""))
        elif where == "query" and draw(st.integers(0, 3)) == 0:
            query[name] = draw(values(json.dumps(parameter["schema"])))
        elif where == "header" and draw(st.booleans()):
            headers[name] = draw(RANGES)
    if draw(st.integers(0, 20)) == 0:
        query[draw(text)] = draw(text)
    body = ""
    if method == "post":
        body = draw(IN_BODIES)
    return path, method, address, query, headers, body


odd = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9))
    | st.sampled_from([each for each in ODD if len(each) < 100]),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
# Make these once: Hypothesis needs more time to make a strategy than to draw from it.
IN_PATHS = {
    name: st.one_of(*[st.sampled_from(known)] * 9, text)
    for name, known in PATH_VALUES.items()
}
RANGES = st.sampled_from(["bytes=0-3", "bytes=9-", "x"])
IN_BODIES = st.one_of(
    *[st.sampled_from(SENT).map(json.dumps)] * 3,
    st.dictionaries(st.sampled_from(["to", "revision", "x"]), odd).map(json.dumps),
    text.map(lambda each: each.encode(errors="surrogatepass")),
)


@cache
def values(schema_json):
    schema = json.loads(schema_json)
    kinds = schema.get("anyOf", [schema])
    words = [word for kind in kinds for word in kind.get("enum", [])]
    honest = {
        "date-time": ["2026-11-23T10:00:00Z", "2026-11-23", "1999-01-01T00:00:00"],
        "integer": ["1", "2", "0", "200"],
        "boolean": ["true", "false", "1"],
        "string": ["+14155551234", "metoprolol", '"i take" -no met*'],
    }
    for kind in kinds:
        key = kind.get("format") or kind["type"]
        words += honest.get(key, [])
    return st.one_of(*[st.sampled_from(words)] * 3, text)


def programs(vendors):
    """Create a call with a transcript, and return three clients of the API.

    The first may call and read, the second may only see calls, the third has no token.
    """
    sids = counter(100)

    def placed(request):
        return 201, {}, json.dumps(load("twilio/call", sid=f"CA{next(sids):032}"))

    vendors.add_callback("POST", CALLS, callback=placed)
    call = a_call(uuid=UUID, sid=CALL_SID, status="completed", price="-0.014")
    recording = a_recording(pk=1, call=call)
    recording.store_audio([wav(0.1)])
    Transcript.objects.create(
        uuid=UUID,
        recording=recording,
        status="completed",
        text="I take metoprolol.",
        words=load("assemblyai/completed")["words"],
    )
    Vocabulary.objects.create(name="Cardiology")
    return [
        a_program(a_token(an_account("ada", CALL_AND_READ))),
        a_program(a_token(an_account("eve", ["view_call"]))),
        Client(),
    ]


HONEST = {
    "uuid": UUID,
    "id": "1",
    "extension": "txt",
}


def test_every_operation_answers_as_specified(document, vendors):
    specification = OpenAPI.from_dict(document)
    program, lesser, stranger = programs(vendors)

    for path, methods in document["paths"].items():
        for method in methods:
            address = path.format(**HONEST)
            body = json.dumps(BODIES.get(method.upper(), ""))
            json_body = {"content_type": "application/json"}
            for who in (program, lesser, stranger):
                answer = who.generic(method.upper(), address, body, **json_body)
                finish(answer)
                assert who is not program or answer.status_code in (200, 201)
                assert who is not stranger or answer.status_code == 401
                if answer["Content-Type"] == "application/json":
                    asked = MockRequest(
                        "https://djtranscribe.example.com", method, address
                    )
                    said = MockResponse(answer.content, answer.status_code)
                    specification.validate_response(asked, said)


@pytest.mark.parametrize("count", [200, pytest.param(FUZZ, marks=pytest.mark.slow)])
def test_fuzzed_requests_get_only_documented_answers(
    document, vendors, count, capsys, media
):
    who = programs(vendors)
    for each in who:
        each.raise_request_exception = False
    seen: Counter[tuple[str, str, int]] = Counter()
    faults: Counter[str] = Counter()

    @seed(20_261_123)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(document), st.sampled_from([0, 0, 0, 0, 1, 2]))
    def attack(request, index):
        path, method, address, query, headers, body = request
        answer = who[index].generic(
            method.upper(),
            address,
            body,
            content_type="application/json",
            headers=headers,
            QUERY_STRING=urlencode(query, errors="surrogatepass"),
        )
        content = b"".join(answer) if answer.streaming else answer.content
        status = answer.status_code
        seen[path, method, status] += 1
        fault = wrong(document, path, method, answer, content)
        if fault:
            faults[f"{method} {path} {status}: {fault}"] += 1
        if getattr(answer, "file_to_stream", None):
            answer.file_to_stream.close()

    attack()

    with capsys.disabled():
        statuses = Counter()
        for (_, _, status), many in seen.items():
            statuses[status] += many
        print(f"\n{seen.total()} requests by OpenAPI: {dict(statuses)}")
    assert not faults, faults
    assert len(vendors.calls) <= Call.objects.count()


def wrong(document, path, method, answer, content):
    """Return how the answer differs from the document, or ""."""
    status = str(answer.status_code)
    if status == "404" or answer.status_code >= 500:
        # Allow 404 everywhere: a path with a strange value may match no operation.
        is_said = status in ("404", "502") and "detail" in json.loads(content)
        return "" if is_said else "a fault of ours"
    documented = document["paths"][path][method]["responses"]
    if status not in documented:
        is_bad_request = status == "400" and json.loads(content)["detail"]
        return "" if is_bad_request else "not documented"
    media_types = documented[status].get("content", {})
    kind = answer.get("Content-Type", "").partition(";")[0]
    if "application/json" not in media_types:
        return ""
    if kind not in media_types and "audio/*" not in media_types:
        return f"answered as {kind}"
    if kind != "application/json" or not media_types[kind]["schema"].get("$ref"):
        return ""
    body = json.loads(content, parse_constant=lambda word: 1 / 0)
    schema = {**media_types[kind]["schema"], "components": document["components"]}
    errors = list(Draft202012Validator(schema).iter_errors(body))
    return str(errors[0].message)[:100] if errors else ""


# The page for people


@pytest.fixture
def page(client):
    client.force_login(User.objects.create_user("ada"))
    return client.get("/api/")


def test_the_page_has_every_operation_with_a_line_to_try(page, document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f'id="{operation["operationId"]}"' in page.text
            assert operation["summary"] in page.text
            assert path in page.text
            assert method.upper() in page.text
            _, _, section = page.text.partition(f'id="{operation["operationId"]}"')
            section = section.partition("</section>")[0]
            assert ("<h3>Body</h3>" in section) == ("requestBody" in operation)
    assert page.text.count("curl -H") == 1 + sum(map(len, document["paths"].values()))


def test_the_page_explains_the_objects_of_requests_and_responses_only(page):
    _, _, objects = page.text.partition("Objects in requests and responses")

    names = set(re.findall(r'<section [^>]*id="([^"]+)"', objects))

    assert {"CallDetail", "CorrectionIn", "TranscriptDetail"} <= names
    assert not [name for name in names if "Filters" in name]


def test_every_link_in_the_page_leads_somewhere(page):
    ids = set(re.findall(r' id="([^"]+)"', page.text))

    for anchor in re.findall(r'href="#([^"]+)"', page.text):
        assert anchor in ids, anchor


def test_the_lines_to_try_are_requests_that_the_api_takes(rf, vendors, document):
    """Send the URL and the body of each curl command, with an operator's token."""
    program = programs(vendors)[0]

    for operation in docs.operations(docs.schema()):
        address = operation.curl.split()[-1].strip("'")
        path = address.removeprefix("https://djtranscribe.example.com")
        if operation.method == "POST":
            body = re.search(r"-d '(.*)'", operation.curl)[1]
            answer = program.post(path, body, content_type="application/json")
            assert answer.status_code == 201
        else:
            answer = program.get(path)
            is_row = "{" in operation.path
            assert answer.status_code == (404 if is_row else 200), path


def test_a_stranger_sees_neither_the_page_nor_the_document(client):
    assert client.get("/api/").status_code == 302
    assert client.get("/api/openapi.json").status_code == 401
