"""Measure the bytes that a call takes on PostgreSQL, indexes included.

    python -m benchmarks.sizes [CALLS]

Creates a new database with this many finished calls. Each call has half a minute of
speech, the webhooks of both vendors, and a log of who read and listened. Prints the
size of each table per call, and for 10 and 100 million calls. Drops the database.
"""

import argparse
import random
from datetime import timedelta
from typing import Any

from benchmarks.search import texts
from benchmarks.site import a_database, django_on

MILLIONS = (10, 100)
AT_ONCE = 500
# Words in half a minute of speech.
WORDS = 75
# The webhooks of one call: kind, and the file in tests/data with the body.
DELIVERIES = [
    *[("twilio-call", "twilio/status-callback")] * 4,
    ("twilio-record", "twilio/twiml-request"),
    ("twilio-record-done", "twilio/record-action"),
    ("twilio-recording", "twilio/recording-callback"),
    ("assemblyai", "assemblyai/webhook"),
]
# The rows of these tables are deleted after at most a month.
KEPT_A_MONTH = ("djtranscribe_webhookdelivery",)
SIZES = """
    SELECT relname, pg_total_relation_size(oid)
    FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    ORDER BY 2 DESC
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("calls", nargs="?", type=int, default=20_000)
    calls = parser.parse_args().calls
    with a_database() as url, django_on(url):
        for start in range(0, calls, AT_ONCE):
            store(range(start, min(start + AT_ONCE, calls)))
        report(calls)


def store(numbers: range) -> None:
    from django.contrib.auth.models import User
    from django.utils import timezone

    from caller.models import Call, Recording
    from djtranscribe.models import Access, WebhookDelivery
    from tests.data import load
    from transcription.models import Transcript
    from transcription.tokens import indexed

    user, _ = User.objects.get_or_create(username="ada")
    at = timezone.now() - timedelta(days=30)
    calls = Call.objects.bulk_create(
        Call(
            sid=f"CA{number:032x}",
            other_number=f"+1415{number:07}",
            our_number="+14155550100",
            country_code="US",
            status="completed",
            requested_by=user,
            notice="This call is recorded and will be transcribed.",
            **dict.fromkeys(["queued_at", "ringing_at", "answered_at", "ended_at"], at),
            duration_seconds=32,
            price="-0.013",
            price_unit="USD",
            next_check_at=None,
        )
        for number in numbers
    )
    peaks = {"seconds": 30.1, "channels": 1, "levels": [[9] * 800]}
    recordings = Recording.objects.bulk_create(
        Recording(
            call=call,
            sid=f"RE{call.pk:032x}",
            status="completed",
            duration_seconds=30,
            channels=1,
            source="RecordVerb",
            audio=f"recordings/RE{call.pk:032x}-0123abcd.wav",
            sha256=f"{call.pk:064x}",
            peaks=peaks,
            transcription_cost="0.00175",
            fetched_at=at,
        )
        for call in calls
    )
    answer = load("assemblyai/completed")
    rest = {key: answer[key] for key in answer if key not in ("text", "words")}
    transcripts = []
    for recording, said in zip(recordings, texts(len(recordings)), strict=True):
        text = " ".join(said.split()[:WORDS])
        transcripts.append(
            Transcript(
                recording=recording,
                assemblyai_id=f"{recording.pk:032x}",
                status="completed",
                text=text,
                search_text=indexed(text),
                words=[word(n, each) for n, each in enumerate(text.split())],
                confidence=0.93,
                language="en_us",
                model_used="assemblyai-stt-3-7",
                audio_seconds=30,
                audio_url="https://cdn.assemblyai.com/upload/" + "a" * 36,
                request={"speech_models": ["assemblyai-stt-3-7", "universal-2"]},
                response=rest,
                jobs=1,
                next_attempt_at=None,
                **dict.fromkeys(["uploaded_at", "submitted_at", "finished_at"], at),
            )
        )
    Transcript.objects.bulk_create(transcripts)
    bodies = {name: load(name) for _, name in DELIVERIES}
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(
            kind=kind,
            verdict="accepted",
            answer_status=204,
            about=str(call.uuid),
            body=bodies[name],
        )
        for call in calls
        for kind, name in DELIVERIES
    )
    Access.objects.bulk_create(
        Access(user=user, action=action, what=what, row=call.pk)
        for call in calls
        for action, what in (("read", "transcript"), ("listened", "recording"))
    )


def word(number: int, text: str) -> dict[str, Any]:
    start = number * 400
    return {
        "text": text,
        "start": start,
        "end": start + 320,
        "confidence": round(random.uniform(0.4, 1), 5),
        "speaker": None,
    }


def report(calls: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute(SIZES)
        sizes = [(name, size / calls) for name, size in cursor.fetchall()]
    columns = "".join(f"{millions:>9} million" for millions in MILLIONS)
    print(f"{'table':36}{'a call':>12}{columns}")
    stays = [(name, size) for name, size in sizes if name not in KEPT_A_MONTH]
    total = ("all that stay", sum(size for _, size in stays))
    for name, size in [*(row for row in sizes if row[1] >= 50), total]:
        note = "   (of the last month)" if name in KEPT_A_MONTH else ""
        ahead = "".join(f"{size * millions / 1000:14.0f} GB" for millions in MILLIONS)
        print(f"{name:36}{size:10.0f} B{ahead}{note}")


if __name__ == "__main__":
    main()
