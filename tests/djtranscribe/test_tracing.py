"""Traces that OpenTelemetry's exporter sends. A local HTTP server receives them."""

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from tests.chaos.waiting import free_port
from tests.live.receiver import receiver
from tests.processes import environment, shell

WORK = """
from django.contrib.auth.models import User
from django.test import Client
from django_tasks_db.models import DBTaskResult
from caller.models import Recording
from djtranscribe.worker.messages import run
from transcription.tasks import start

client = Client()
client.force_login(User.objects.create_superuser("grace-hopper"))
client.get("/dial/+14155559371x/?token=s3cret", secure=True)
client.post("/record/", {"From": "+14155559371"}, secure=True)
client.get("/14155559371/", secure=True)
row = Recording.objects.create(source="file", status="completed")
row.store_audio([b"ID3" + bytes(50)])
transcript = start(row)
# Run two steps. The second one asks AssemblyAI, which is away.
for _ in range(2):
    transcript.refresh_from_db()
    run(DBTaskResult.objects.filter(status="READY").first())
"""


def spans(body: bytes) -> dict[str, dict]:
    message = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
    return {
        span.name: {each.key: each.value for each in span.attributes}
        for part in message.resource_spans
        for scope in part.scope_spans
        for span in scope.spans
    }


def test_spans_describe_requests_without_personal_data(tmp_path, migrated):
    port = free_port()
    environ = environment(
        tmp_path,
        DEBUG="true",
        ASSEMBLYAI_API_URL="http://127.0.0.1:9",
        OTLP_ENDPOINT=f"http://127.0.0.1:{port}/",
        ALLOWED_HOSTS="testserver",
    )
    with receiver(port) as received:
        shell(environ, WORK)

    found: dict[str, dict] = {}
    for _, body in received:
        found |= spans(body)
        for secret in (b"4155559371", b"s3cret", b"grace-hopper", b"tests-only"):
            assert secret not in body
    refused = found["GET /dial/<str:number>/"]
    assert refused["http.response.status_code"].int_value == 400
    webhook = found["POST /record/"]
    assert webhook["http.response.status_code"].int_value == 403
    assert found["GET"]["http.response.status_code"].int_value == 404
    assert "transcription.tasks.advance" in found
    asked = found["POST 127.0.0.1"]
    assert asked["server.address"].string_value == "127.0.0.1"
    assert asked["error.type"].string_value == "ConnectionError"
