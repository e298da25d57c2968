"""A real Prometheus reads /metrics, and knows each number of the dashboard."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.chaos.waiting import until
from tests.live.sandbox import ROOT, free_ports
from tests.processes import environment, serving, shell

PROMETHEUS = shutil.which("prometheus")
TOKEN = "a-token-of-thirty-two-characters"
# One row of each kind that the dashboard counts.
FILL = """
from datetime import timedelta
from django.utils import timezone
from caller.models import Call, Recording
from djtranscribe.models import VendorPause, WebhookDelivery
from transcription.models import Transcript
call = Call.objects.create(
    other_number="+14155551234", our_number="+14155550100", status="completed",
    price="-0.5", price_unit="USD",
)
recording = Recording.objects.create(call=call, status="completed")
now = timezone.now()
Transcript.objects.create(
    recording=recording, status="completed", submitted_at=now, finished_at=now
)
late = now - timedelta(minutes=5)
Transcript.objects.create(
    recording=recording, status="uploaded", error_class="account", next_attempt_at=late
)
WebhookDelivery.objects.create(
    kind="twilio-call", verdict="accepted", answer_status=204, about=call.uuid
)
VendorPause.objects.create(vendor="twilio", reason="Key.", probe_at=now)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROMETHEUS, reason="there is no Prometheus here"),
]


def example() -> dict[str, Any]:
    """Return the configuration that docs/operations.md gives."""
    _, _, rest = (ROOT / "docs/operations.md").read_text().partition("```yaml\nscrape")
    found: dict[str, Any] = yaml.safe_load("scrape" + rest.partition("```")[0])
    return found


@pytest.fixture
def prometheus(tmp_path: Path, migrated: Path) -> Iterator[str]:
    """Start our web server, and Prometheus, which reads it each second."""
    web_port, port = free_ports(2)
    config = example()
    [job] = config["scrape_configs"]
    job |= {"scheme": "http", "scrape_interval": "1s", "scrape_timeout": "1s"}
    job["static_configs"] = [{"targets": [f"localhost:{web_port}"]}]
    job["authorization"]["credentials"] = TOKEN
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    environ = environment(
        tmp_path,
        DEBUG="true",
        BASE_URL=f"http://localhost:{web_port}",
        ALLOWED_HOSTS="localhost",
        METRICS_TOKEN=TOKEN,
    )
    shell(environ, FILL)
    commands = (
        [sys.executable, "manage.py", "runserver", "--noreload", str(web_port)],
        [
            str(PROMETHEUS),
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
    )
    with serving(environ, (web_port, port), *commands):
        yield f"http://127.0.0.1:{port}"


def ask(prometheus: str, query: str) -> list[Any]:
    answer = requests.get(
        f"{prometheus}/api/v1/query", params={"query": query}, timeout=10
    )
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["data"]["result"]
    return found


def test_each_panel_of_the_dashboard_shows_numbers(prometheus: str):
    def is_scraped() -> bool:
        return [row["value"][1] for row in ask(prometheus, "up")] == ["1"]

    until("a scrape that succeeded", is_scraped, 90)

    panels = json.loads((ROOT / "docs/deploy/grafana.json").read_text())["panels"]
    for panel in panels:
        for target in panel["targets"]:
            assert ask(prometheus, target["expr"]), panel["title"]
