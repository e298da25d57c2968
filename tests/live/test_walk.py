"""An operator's whole way in a real browser: from a typed number to exported files."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import docx
import pypdf
import pysubs2
import pytest
import webvtt
from playwright.sync_api import Page, expect

from tests.live.browser import in_chromium, keep, sign_in
from tests.live.sandbox import Sandbox
from tests.live.test_transcript_page import STAND_STILL, paused_at, starts
from tests.live.test_whole_way import WORD_ERROR_RATE, word_error_rate

pytestmark = in_chromium

NUMBER = "14155551299"


def of_json(file: Path) -> str:
    return json.loads(file.read_text())["text"]


def of_docx(file: Path) -> str:
    return " ".join(each.text for each in docx.Document(str(file)).paragraphs)


def of_pdf(file: Path) -> str:
    return " ".join(page.extract_text() for page in pypdf.PdfReader(file).pages)


def of_srt(file: Path) -> str:
    return " ".join(each.plaintext for each in pysubs2.load(str(file)))


def of_vtt(file: Path) -> str:
    return " ".join(each.text for each in webvtt.read(str(file)))


# {button: function that returns the text of the exported file}
FORMATS: dict[str, Callable[[Path], str]] = {
    "Plain text": Path.read_text,
    "Subtitles (SRT)": of_srt,
    "Subtitles (VTT)": of_vtt,
    "JSON": of_json,
    "Word": of_docx,
    "PDF": of_pdf,
}


# Play and pause an audio element. Return its position in between, in seconds.
PLAY = """async (audio) => {
    await audio.play();
    const seconds = audio.currentTime;
    audio.pause();
    return seconds;
}"""


def in_one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def words(page: Page, sandbox: Sandbox) -> str:
    """Dial by opening the URL, wait for the transcript, and return its words."""
    page.goto(f"{sandbox.site}/")
    sign_in(page)
    page.goto(f"{sandbox.site}/dial/{NUMBER}/")
    expect(page).to_have_url(re.compile("/calls/"))
    expect(page.locator("#headline")).to_have_text("Transcribed", timeout=60_000)
    keep(page, "walk-call")
    text = " ".join(page.locator("#text .turn-text").all_inner_texts())
    assert word_error_rate(sandbox.said_to(f"+{NUMBER}"), text) <= WORD_ERROR_RATE
    return text


def test_dialled_call_can_be_played_exported_and_searched(
    page: Page, sandbox: Sandbox, words: str, tmp_path: Path
):
    page.get_by_role("link", name="Transcript in admin").click()
    expect(page.get_by_role("button", name="Next")).to_be_visible()
    said = page.locator(".turn-text > span")
    expect(said).to_have_count(len(words.split()))
    assert in_one_line(" ".join(said.all_text_contents())) == in_one_line(words)

    # Play the audio. Press n, which goes to a doubtful word. Play from another word.
    page.keyboard.press("Space")
    expect(page.locator(".spoken")).to_have_count(1)
    page.keyboard.press("Space")
    page.locator("#below").fill("1")
    page.keyboard.press("n")
    expect(page.locator("#count")).to_have_text(re.compile(r"\d+ of \d+ to"))
    page.evaluate(STAND_STILL)
    said.nth(3).click()
    at = starts(page)[3]
    assert at <= paused_at(page) * 1000 < at + 500
    keep(page, "walk-transcript")

    # Each exported file contains the same words
    for name, text_of in FORMATS.items():
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        assert in_one_line(words) in in_one_line(text_of(file)), name

    # Export many at once. The page says when the file is complete
    page.goto(f"{sandbox.site}/admin/transcription/transcript/")
    page.get_by_role("checkbox", name="Select all").check()
    page.get_by_role("combobox", name="Action").select_option("export")
    page.get_by_role("button", name="Go").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    download.value.save_as(tmp_path / "many.csv")
    assert words.split(maxsplit=1)[0] in (tmp_path / "many.csv").read_text()
    expect(page.get_by_text("Download complete")).to_be_visible()

    # Search for a phrase, and play from three seconds before it
    phrase = " ".join(words.split()[-3:]).strip(".")
    page.goto(f"{sandbox.site}/search/")
    page.get_by_role("searchbox").fill(f'"{phrase}"')
    page.keyboard.press("Enter")
    expect(page.locator("mark").first).to_be_visible()
    page.locator(".result summary").first.click()
    keep(page, "walk-search")
    heard_from = page.locator("audio").first.evaluate(PLAY)
    page.add_init_script(STAND_STILL)
    page.get_by_role("link", name=re.compile("^Open")).first.click()
    page.wait_for_url(re.compile("#t="))
    lead = max(0, starts(page)[-3] / 1000 - 3)
    assert lead - 0.1 <= heard_from < lead + 1
    assert lead - 0.1 <= page.locator("audio").evaluate(PLAY) < lead + 1
