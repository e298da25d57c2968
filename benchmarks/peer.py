"""The smallest app that accepts Twilio's webhooks with this product's guarantees.

The app's only view checks the signature. Then one transaction locks the call's row,
saves what has changed, and saves the delivery in a ledger.

    python -m benchmarks.peer CALLS

creates the two tables and this many calls.
"""

import os
import sys
from uuid import UUID

import dj_database_url
import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from benchmarks.site import ACCOUNT_SID, TOKEN

database = dj_database_url.parse(
    os.environ["DATABASE_URL"], conn_max_age=60, conn_health_checks=True
)
if "sqlite" in database["ENGINE"]:
    database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
        "PRAGMA wal_autocheckpoint=8000;",
    }
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": database},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    MIDDLEWARE=[],
    ROOT_URLCONF=__name__,
    SECRET_KEY=TOKEN,
    USE_TZ=True,
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402
from django.urls import path  # noqa: E402
from twilio.request_validator import RequestValidator  # noqa: E402

TWIML = "<Response><Say>This call is recorded.</Say><Record /></Response>"


class Call(models.Model):
    uuid = models.UUIDField(unique=True)
    sid = models.CharField(max_length=34, unique=True)
    status = models.CharField(max_length=20, default="queued")

    class Meta:
        app_label = "peer"


class Delivery(models.Model):
    received_at = models.DateTimeField(auto_now_add=True, db_index=True)
    about = models.UUIDField(db_index=True)
    body = models.JSONField()

    class Meta:
        app_label = "peer"


def webhook(request: HttpRequest) -> HttpResponse:
    fields = request.POST.dict()
    signature = request.headers.get("X-Twilio-Signature", "")
    url = f"http://127.0.0.1{request.get_full_path()}"
    if not RequestValidator(TOKEN).validate(url, fields, signature):
        return HttpResponse(status=403)
    with transaction.atomic():
        about = UUID(request.GET["call"])
        call = Call.objects.select_for_update().get(uuid=about)
        if call.sid != fields["CallSid"] or fields["AccountSid"] != ACCOUNT_SID:
            return HttpResponse(status=404)
        if call.status != fields["CallStatus"]:
            call.status = fields["CallStatus"]
            call.save(update_fields=["status"])
        Delivery.objects.create(about=about, body=fields)
    if request.path == "/record/":
        return HttpResponse(TWIML, content_type="text/xml")
    return HttpResponse(status=204)


urlpatterns = [path("record/", webhook), path("webhooks/twilio/call/", webhook)]
application = get_wsgi_application()


def make(calls: int) -> None:
    with connection.schema_editor() as editor:
        editor.create_model(Call)
        editor.create_model(Delivery)
    Call.objects.bulk_create(
        Call(uuid=UUID(int=number), sid=f"CA{number:032x}")
        for number in range(1, calls + 1)
    )


if __name__ == "__main__":
    make(int(sys.argv[1]))
