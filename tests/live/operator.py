"""An operator over HTTP, without a browser: logs in, dials, waits for the words."""

import re
import time
from functools import cache
from html import unescape
from urllib.parse import urlsplit

import requests

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
SAID = re.compile(r'<p class="turn-text">(.*?)</p>', re.DOTALL)
TAG = re.compile(r"<[^>]+>")
# Limit for a transcript. It takes a few seconds, but the machine may be slow.
LIMIT_SECONDS = 240


class Operator:
    def __init__(self, site: str, name: str = "operator", password: str = "sandbox"):
        self.site = site
        self.session = requests.Session()
        self.session.trust_env = False
        login = {"username": name, "password": password}
        login["next"] = f"{urlsplit(site).path}/"
        answer = self.post("/admin/login/", login)
        assert answer.url == f"{site}/", "signing in failed"

    def get(self, path: str, **options) -> requests.Response:
        return self.session.get(self.site + path, timeout=20, **options)

    def post(self, path: str, data: dict[str, str]) -> requests.Response:
        token = TOKEN.search(self.get(path).text)
        assert token, f"no form on {path}"
        data = {**data, "csrfmiddlewaretoken": token.group(1)}
        return self.session.post(
            self.site + path, data=data, headers={"Referer": self.site}, timeout=90
        )

    def dial(self, digits: str) -> str:
        """Dial, and return the path of the call's page."""
        answer = self.post(f"/dial/{digits}/", {})
        assert "/calls/" in answer.url, answer.url
        return answer.url.removeprefix(self.site)

    def text_of(self, call_page: str) -> str:
        """Wait until the call's page shows the words, and return them."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            page = self.get(call_page).text
            if said := SAID.findall(page):
                return unescape(" ".join(TAG.sub("", " ".join(said)).split()))
            time.sleep(0.5)
        raise AssertionError(f"no text after {LIMIT_SECONDS} s:\n{page[-3000:]}")


@cache
def operator_of(site: str) -> Operator:
    """Return the operator of a site, who logs in only once."""
    return Operator(site)
