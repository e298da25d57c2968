"""The API's documentation: OpenAPI for programs, and an HTML page for people."""

import json
import shlex
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe
from ninja.errors import HttpError

from djtranscribe.api.errors import problem
from djtranscribe.api.operations import api
from djtranscribe.api.tokens import token_of
from djtranscribe.public_urls import public_url

EXAMPLES = {
    "{uuid}": "3f2b7f0e-8c1d-4a59-9d7e-5b1f2c6a0e11",
    "{id}": "7",
    "{extension}": "txt",
}
QUERIES = {
    "List calls": "?status=completed&limit=2",
    "List recordings": "?since=2026-11-23",
    "List or search transcripts": "?q=metoprolol",
    "Get a transcript": "?words=true",
}
BODIES: dict[str, dict[str, Any]] = {
    "Place a call": {"to": "+14155551234"},
    "Correct a transcript": {
        "revision": 0,
        "corrections": [{"first": 2, "last": 3, "text": "metoprolol"}],
    },
}


class Field(NamedTuple):
    name: str
    kind: str
    is_required: bool
    description: SafeString


class Answer(NamedTuple):
    status: str
    description: SafeString
    shape: str


class Operation(NamedTuple):
    name: str
    method: str
    path: str
    summary: str
    description: SafeString
    parameters: list[Field]
    answers: list[Answer]
    curl: str


class Shape(NamedTuple):
    name: str
    description: SafeString
    fields: list[Field]


def schema() -> dict[str, Any]:
    server = settings.BASE_URL.rstrip("/")
    # `server` already contains the path of BASE_URL, so `root` must not contain it.
    root = public_url(reverse("api:docs")).removeprefix(server)
    return schema_at(server, root)


@lru_cache(maxsize=4)
def schema_at(server: str, root: str) -> dict[str, Any]:
    """Build the document, which takes 50 ms. Do not change the result: it is cached."""
    document = api.get_openapi_schema(path_prefix=root)
    return {**document, "servers": [{"url": server}]}


@require_safe
@login_not_required
def openapi(request: HttpRequest) -> JsonResponse:
    """The OpenAPI document, for logged-in users and for programs with a token."""
    if not request.user.is_authenticated:
        try:
            token_of(request)
        except HttpError as error:
            return problem(error.status_code, error.message)
    return JsonResponse(schema(), json_dumps_params={"indent": 2})


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    document = schema()
    context = {
        "operations": list(operations(document)),
        "shapes": list(shapes(document)),
        "calls": public_url(reverse("api:calls")),
    }
    return render(request, "api.html", context)


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    server = document["servers"][0]["url"]
    for path, methods in document["paths"].items():
        for method, details in methods.items():
            parameters = [
                Field(
                    each["name"],
                    # Leave out " or null": a query string cannot contain null.
                    kind_of(each["schema"]).removesuffix(" or null"),
                    bool(each["required"]),
                    render_code(each.get("description", "")),
                )
                for each in details["parameters"]
                if each["in"] != "path"
            ]
            body = details.get("requestBody", {}).get("content", {})
            for content in body.values():
                name = kind_of(content["schema"])
                parameters += fields(document["components"]["schemas"][name])
            yield Operation(
                details["operationId"],
                method.upper(),
                path,
                details["summary"],
                render_code(details["description"]),
                parameters,
                [
                    answer(*each)
                    for each in sorted(details["responses"].items())
                    if not is_common_error(each[1])
                ],
                curl(server, method, path, details["summary"]),
            )


def answer(status: int, details: dict[str, Any]) -> Answer:
    content = list(details.get("content", {}).values())
    shape = kind_of(content[0]["schema"]) if content else ""
    return Answer(str(status), render_code(details["description"]), shape)


def is_common_error(details: dict[str, Any]) -> bool:
    """Whether this is an error that the page explains once for all URLs."""
    return "Problem" in [
        kind_of(each["schema"]) for each in details.get("content", {}).values()
    ]


def shapes(document: dict[str, Any]) -> Iterator[Shape]:
    """Yield the objects in requests and responses."""
    text = json.dumps(document)
    for name, shape in sorted(document["components"]["schemas"].items()):
        # Skip objects that nothing refers to. Ninja makes one for the query parameters
        # of a URL.
        if f'/schemas/{name}"' in text:
            yield Shape(name, render_code(shape.get("description", "")), fields(shape))


def fields(shape: dict[str, Any]) -> list[Field]:
    required = shape.get("required", [])
    return [
        Field(
            name,
            kind_of(each),
            name in required,
            render_code(each.get("description", "")),
        )
        for name, each in shape.get("properties", {}).items()
    ]


def kind_of(schema: dict[str, Any]) -> str:
    """Describe a JSON Schema type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        kinds = [kind_of(each) for each in schema["anyOf"]]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if schema.get("type") == "array":
        return f"list of {kind_of(schema['items'])}"
    kind = str(schema.get("format") or schema.get("type") or "anything")
    return "file" if kind == "binary" else kind


def render_code(text: str) -> SafeString:
    """Turn text between backticks into <code>."""
    pieces = enumerate(text.split("`"))
    return format_html_join(
        "",
        "{}",
        ((format_html("<code>{}</code>", s) if n % 2 else s,) for n, s in pieces),
    )


def curl(server: str, method: str, path: str, summary: str) -> str:
    for part, example in EXAMPLES.items():
        path = path.replace(part, example)
    address = shlex.quote(server + path + QUERIES.get(summary, ""))
    lines = ['curl -H "Authorization: Bearer $DJT_TOKEN"']
    if method != "get":
        lines += [
            f"-X {method.upper()}" if method != "post" else "",
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(json.dumps(BODIES[summary]))}",
        ]
    if path.endswith("/audio"):
        lines.append("--output recording.wav")
    return " \\\n  ".join(filter(None, [*lines, address]))
