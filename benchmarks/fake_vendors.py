"""Fast fake APIs of Twilio and AssemblyAI for the benchmarks.

Nothing recognises speech here. The "audio" of a recording contains the recording's SID,
and the transcript is `said <SID>`. So a benchmark notices a wrong transcript.

Prints its port. GET /_counts returns the number of jobs, and of requests of each kind.
Arguments: the seconds that each response of AssemblyAI takes, and the megabytes of each
recording.
"""

import asyncio
import json
import re
import struct
import sys
import uuid
from collections import Counter
from datetime import datetime, timezone
from urllib.parse import parse_qs, urlsplit

JOB_SECONDS = 0.5
ANSWER_SECONDS = float(sys.argv[1]) if sys.argv[1:] else 0
AUDIO_BYTES = int(sys.argv[2]) * 1_000_000 if sys.argv[2:] else 4_000
# Only the first bytes of a request are kept. In an upload, they contain the SID.
KEPT_BYTES = 64 * 1024
WEBHOOKS_AT_ONCE = 4
WEBHOOK_TRIES = 10
WEBHOOK_GAP_SECONDS = 5

counts: Counter[str] = Counter()
uploads: dict[str, str] = {}
jobs: dict[str, dict] = {}
place: dict[str, int] = {}
SAID = re.compile(rb"RE[0-9a-f]{32}")


def wav(recording_sid: str) -> bytes:
    """Return the beginning of a WAV file. `serve` adds silence.

    The audio begins with the recording's SID. `answer` finds the SID in an upload.
    """
    said = recording_sid.encode()
    size = len(said) + AUDIO_BYTES
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16,
                       1, 1, 8000, 16000, 2, 16)  # fmt: skip
    return head + struct.pack("<4sI", b"data", size) + said


def answer(method: str, target: str, body: bytes) -> tuple[int, bytes]:  # noqa: PLR0911
    url = urlsplit(target)
    path, query = url.path, {k: v[-1] for k, v in parse_qs(url.query).items()}
    if path == "/_counts":
        return 200, json.dumps({**counts, "jobs": len(jobs)}).encode()
    if path.endswith(".wav"):
        counts["downloads"] += 1
        return 200, wav(path.rsplit("/", 1)[1][:-4])
    if path == "/v2/upload":
        counts["uploads"] += 1
        url_of_it = f"https://cdn.example.com/upload/{uuid.uuid4()}"
        said = SAID.search(body)
        uploads[url_of_it] = said.group().decode() if said else ""
        return 200, json.dumps({"upload_url": url_of_it}).encode()
    if path == "/v2/transcript" and method == "POST":
        counts["POST /v2/transcript"] += 1
        return 200, json.dumps(shown(new_job(json.loads(body)))).encode()
    if path == "/v2/transcript":
        counts["lists"] += 1
        return 200, json.dumps(
            page(int(query["limit"]), query.get("before_id"))
        ).encode()
    if path.startswith("/v2/transcript/"):
        counts["results read"] += 1
        return 200, json.dumps(shown(jobs[path.rsplit("/", 1)[1]])).encode()
    counts["Twilio asked"] += 1
    return 200, json.dumps(twilio(path, query)).encode()


def new_job(asked: dict) -> dict:
    job = {"id": str(uuid.uuid4()), "status": "queued", "asked": asked}
    job["created"] = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
    place[job["id"]] = len(jobs)
    jobs[job["id"]] = job
    asyncio.get_running_loop().call_later(JOB_SECONDS, finish, job)
    return job


def finish(job: dict) -> None:
    job["status"] = "completed"
    for _ in range(2):  # every webhook is sent twice
        task = asyncio.get_running_loop().create_task(notify(job))
        running.add(task)
        task.add_done_callback(running.discard)


def shown(job: dict) -> dict:
    done = job["status"] == "completed"
    text = f"said {uploads[job['asked']['audio_url']]}" if done else None
    return {
        "id": job["id"],
        "status": job["status"],
        "audio_url": job["asked"]["audio_url"],
        "text": text,
        "words": [],
        "confidence": 0.9,
    }


def page(limit: int, before: str | None) -> dict:
    newest_first = list(jobs.values())[: place[before] if before else None][::-1]
    listed = [{**shown(job), "created": job["created"]} for job in newest_first[:limit]]
    return {"page_details": {}, "transcripts": listed}


def twilio(path: str, query: dict) -> dict:
    """Return a completed call, a call's recordings, or an empty list of calls."""
    if "/Calls/" in path:
        sid = path.rsplit("/", 1)[1].removesuffix(".json")
        return {"sid": sid, "status": "completed", "duration": "5", "price": "-0.01"}
    if path.endswith("/Recordings.json"):
        sid = "RE" + query["CallSid"][2:]
        found = {"sid": sid, "call_sid": query["CallSid"], "status": "completed"}
        return {"recordings": [found], "next_page_uri": None}
    return {"calls": [], "next_page_uri": None}


running: set = set()
at_once = asyncio.Semaphore(WEBHOOKS_AT_ONCE)


async def notify(job: dict) -> None:
    asked = job["asked"]
    url = urlsplit(asked["webhook_url"])
    body = json.dumps({"transcript_id": job["id"], "status": job["status"]})
    request = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"{asked['webhook_auth_header_name']}: {asked['webhook_auth_header_value']}"
        f"\r\n\r\n{body}"
    )
    for _ in range(WEBHOOK_TRIES):
        async with at_once:
            status = await post(str(url.hostname), int(url.port or 80), request)
        counts[f"webhooks answered {status or 'not at all'}"] += 1
        if 200 <= status < 500:
            return
        await asyncio.sleep(WEBHOOK_GAP_SECONDS)


async def post(host: str, port: int, request: str) -> int:
    try:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request.encode())
        line = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        return int(line.split()[1])
    except (OSError, asyncio.TimeoutError, IndexError):
        return 0


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while line := await reader.readline():
            method, target, _ = line.decode().split()
            headers = {}
            while (header := await reader.readline()) not in (b"\r\n", b""):
                name, value = header.decode().split(":", 1)
                headers[name.lower()] = value.strip()
            status, data = answer(method, target, await body_of(reader, headers))
            if target.startswith("/v2/"):
                await asyncio.sleep(ANSWER_SECONDS)
            more = AUDIO_BYTES if target.partition("?")[0].endswith(".wav") else 0
            writer.write(
                f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(data) + more}\r\n\r\n".encode()
                + data
            )
            for sent in range(0, more, KEPT_BYTES):
                writer.write(bytes(min(KEPT_BYTES, more - sent)))
                await writer.drain()
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass  # a worker was killed
    finally:
        writer.close()


async def body_of(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    """Read the body of a request. Return at most its first KEPT_BYTES."""
    if headers.get("transfer-encoding") != "chunked":
        return await beginning(reader, int(headers.get("content-length", 0)))
    body = b""
    while size := int(await reader.readline(), 16):
        piece = await beginning(reader, size)
        body += piece[: KEPT_BYTES - len(body)]
        await reader.readline()
    await reader.readline()
    return body


async def beginning(reader: asyncio.StreamReader, size: int) -> bytes:
    kept = await reader.readexactly(min(size, KEPT_BYTES))
    left = size - len(kept)
    while left:
        left -= len(await reader.readexactly(min(left, KEPT_BYTES)))
    return kept


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit()
