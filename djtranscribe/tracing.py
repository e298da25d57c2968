"""Send traces to OpenTelemetry if OTLP_ENDPOINT is set.

There is a span for each of these:
- a request to us
- a message of the worker
- a request that we send with LimitedSession (vendors/deadlines.py)
A span contains no URL, because a URL may contain a phone number.

Names of attributes: opentelemetry.io/docs/specs/semconv/http
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_tracer: Tracer | None = None


class NoSpan:
    """Replacement for a span while tracing is off."""

    def set_attribute(self, name: str, value: Any) -> None:
        pass


def connect(endpoint: str) -> None:
    """Send the spans of this process to a collector, over OTLP and HTTP."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    global _tracer  # noqa: PLW0603 - one tracer for the process
    provider = TracerProvider(
        resource=Resource.create({"service.name": "djtranscribe"})
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer("djtranscribe")


@contextmanager
def span(
    name: str, kind: str, attributes: Mapping[str, str] | None = None
) -> Iterator[Any]:
    """Measure the `with` block as a span. Store only the type of an exception.

    Yields the span, or a NoSpan if tracing is off. kind: the name of a SpanKind.
    """
    if _tracer is None:
        yield NoSpan()
        return
    from opentelemetry.trace import SpanKind, StatusCode

    # By default, OpenTelemetry stores an exception with its message. We turn this off,
    # and store only the type of the exception below.
    with _tracer.start_as_current_span(
        name,
        kind=SpanKind[kind],
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        try:
            yield made
        except Exception as error:
            made.set_attribute("error.type", type(error).__name__)
            made.set_status(StatusCode.ERROR)
            raise


def requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: measure each request to us in a span, named after its route."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        method = request.method or ""
        with span(method, "SERVER", {"http.request.method": method}) as made:
            response = get_response(request)
            if match := request.resolver_match:
                made.update_name(f"{method} /{match.route}")
                made.set_attribute("http.route", f"/{match.route}")
            made.set_attribute("http.response.status_code", response.status_code)
        return response

    return middleware
