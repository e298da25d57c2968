"""Exports of one transcript, in each format."""

import html
import io
import json
import re

import pypdf
import pysubs2
import pytest

from djtranscribe.models import Access
from tests.caller.rows import NUMBER
from tests.transcription.exports.readers import (
    BROKEN,
    TEXT,
    docx_lines,
    pdf_text,
    srt,
    url,
    visible,
    vtt,
)
from tests.transcription.rows import a_transcript
from transcription.exports import fonts
from transcription.exports.content import Options
from transcription.exports.formats import FORMATS, Format, as_json, docx, pdf, txt
from transcription.models import Transcript


@pytest.mark.parametrize("extension", FORMATS)
def test_the_file_holds_the_text_and_no_number_in_its_name(
    browser, transcript, extension
):
    answer = browser.get(url(transcript, extension))

    name = answer["Content-Disposition"]
    assert answer.status_code == 200
    assert name.endswith(f'{transcript.uuid}.{extension}"')
    assert NUMBER.removeprefix("+") not in name
    assert "Please call the cardiology ward." in visible(extension, answer.content)


@pytest.mark.parametrize("extension", FORMATS)
def test_speakers_are_included_on_request(browser, transcript, extension):
    plain = browser.get(url(transcript, extension)).content
    both = browser.get(url(transcript, extension), {"times": "1", "speakers": "1"})

    speaker = '"speaker": "B"' if extension == "json" else "Speaker B"
    assert speaker not in visible(extension, plain)
    assert speaker in visible(extension, both.content)


def test_text_and_word_files_show_when_and_who(transcript):
    both = Options(times=True, speakers=True)

    assert txt(transcript, both).decode() == (
        "[0:00 Speaker A] Please call the cardiology ward.\n\n"
        "[0:02 Speaker B] José said <no> & {yes}. Привет!\n"
    )
    assert txt(transcript, Options(times=True)).startswith(b"[0:00] Please")
    assert txt(transcript, Options()).decode() == f"{TEXT}\n"
    assert docx_lines(docx(transcript, both))[2:] == [
        "0:00 Speaker A  Please call the cardiology ward.",
        "0:02 Speaker B  José said <no> & {yes}. Привет!",
    ]


def test_a_pdf_has_space_between_paragraphs_but_not_below_their_speaker(transcript):
    content = pdf(transcript, Options(times=True, speakers=True))

    [page] = pypdf.PdfReader(io.BytesIO(content)).pages
    lines = page.extract_text(extraction_mode="layout").splitlines()
    assert lines[-5:-1] == [
        "0:00 Speaker A",
        "Please call the cardiology ward.",
        "",
        "0:02 Speaker B",
    ]


def test_json_contains_the_text_and_the_words_from_assemblyai(transcript):
    read = json.loads(as_json(transcript, Options(times=True)))
    plain = json.loads(as_json(transcript, Options()))

    assert (read["text"], read["number"]) == (TEXT, NUMBER)
    assert read["words"][1] == {
        "text": "call",
        "confidence": 0.9,
        "start": 400,
        "end": 750,
    }
    assert plain["words"][1] == {"text": "call", "confidence": 0.9}


def test_subtitles_escape_markup(transcript):
    as_srt = visible("srt", FORMATS["srt"].make(transcript, Options()))
    as_vtt = FORMATS["vtt"].make(transcript, Options()).decode()

    assert "José said <\u2060no> & {\u2060yes}. Привет!" in as_srt
    assert "&lt;no&gt; &amp; {yes}" in as_vtt


@pytest.mark.parametrize("said", [r"C:\New", r"a\hb", r"{\an8}x", "<i>x</i>", "a-->b"])
def test_spoken_text_is_not_parsed_as_subtitle_markup(transcript, said):
    transcript.text, transcript.words = f"Open {said} now.", []

    read = pysubs2.SSAFile.from_string(
        FORMATS["srt"].make(transcript, Options()).decode(), "srt", keep_html_tags=False
    )
    as_vtt = FORMATS["vtt"].make(transcript, Options())

    raw = srt(FORMATS["srt"].make(transcript, Options()))
    assert [line.replace("\u2060", "") for line in raw[0][2]] == [f"Open {said} now."]
    assert len(read) == 1
    assert html.unescape(vtt(as_vtt)[0].raw_text) == f"Open {said} now."


# Text and words


LETTERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("listed", [4, 1, 0])
def test_text_missing_from_the_word_list_is_exported(transcript, extension, listed):
    transcript.text = " ".join(LETTERS)
    transcript.words = [
        {"text": word, "start": n * 400, "end": n * 400 + 300, "speaker": "A"}
        for n, word in enumerate(LETTERS[:listed])
    ]
    both = Options(times=True, speakers=True)

    content = FORMATS[extension].make(transcript, both)

    assert " ".join(LETTERS) in visible(extension, content)


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize(
    "text",
    ["我们明天上午有会议。", "明日は会議です。", "พรุ่งนี้มีประชุม", "Well - yes, no."],
)
def test_exports_keep_the_spacing_of_the_text(transcript, extension, text):
    letters = re.findall(r"[a-z]+|\S", text, re.IGNORECASE)
    transcript.text = text
    transcript.words = [
        {"text": letter, "start": n * 100, "end": n * 100 + 90, "speaker": "A"}
        for n, letter in enumerate(letters)
    ]
    options = Options(times=True, speakers=True)

    try:
        content = FORMATS[extension].make(transcript, options)
    except fonts.MissingFont as error:
        pytest.skip(str(error))

    assert text in visible(extension, content)


def test_wrong_word_time_is_not_exported(transcript):
    transcript.text = "one two three. four five six."
    transcript.words = [
        {"text": word, "start": n * 400, "end": n * 400 + 300, "speaker": "AB"[n // 3]}
        for n, word in enumerate(transcript.text.split())
    ]
    transcript.words[2]["start"] = 502_000
    both = Options(times=True, speakers=True)

    cues = srt(FORMATS["srt"].make(transcript, both))

    assert txt(transcript, both).startswith(b"[0:00 Speaker A] one two three")
    assert b"[0:01 Speaker B] four" in txt(transcript, both)
    assert max(end for _, end, _ in cues) <= 5000


SCRIPTS = {
    "Polish": "Zażółć gęślą jaźń",
    "Vietnamese": "Xin chào các bạn",
    "Greek": "Καλημέρα σας",
    "Russian": "Привет, это запись",
    "Thai": "คุณหมอบอกให้ทานยาทุกเช้า",
    "Western": "“Zürich” – café… €5",
}
# Scripts whose letters are joined, or run from right to left. PDF readers return these
# letters in different forms and orders, so the test compares sets of letters.
SHAPED = {
    "Hebrew": "שלום זה מבחן של הקלטה",
    "Arabic": "مرحبا هذا اختبار للتسجيل",
    "Hindi": "डॉक्टर ने कहा",
    "Bengali": "ডাক্তার বললেন",
    "Tamil": "மருத்துவர் சொன்னார்",
    "Telugu": "డాక్టర్ చెప్పారు",
    "Khmer": "វេជ្ជបណ្ឌិត",
}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_a_pdf_has_the_letters_of_its_language(transcript, text):
    transcript.text = text

    content = pdf(transcript, Options())

    assert text in pdf_text(content)
    assert len(content) < 200_000


@pytest.mark.parametrize("text", SHAPED.values(), ids=SHAPED)
def test_a_pdf_has_letters_that_are_joined(transcript, text):
    transcript.text = text

    content = pdf(transcript, Options())

    # Expect most letters, not all: one ligature can stand for several letters.
    letters = {letter for letter in text if letter.isalpha()}
    assert len(letters - set(pdf_text(content))) <= len(letters) / 4
    assert len(content) < 200_000


NO_FONT = {
    "𒀀": "fonts-noto-core",
    "会": "fonts-droid-fallback",
    "안": "fonts-nanum",
    "☂": "fonts-symbola",
}


@pytest.mark.parametrize(("letter", "package"), NO_FONT.items())
def test_pdf_is_refused_when_a_font_is_missing(
    browser, transcript, no_system_fonts, letter, package
):
    Transcript.objects.filter(pk=transcript.pk).update(text=f"Yes {letter}", words=[])

    answer = browser.get(url(transcript, "pdf"))

    assert answer.status_code == 422
    assert f"no font on the server has the letter “{letter}”" in answer.text
    assert f"apt install {package}" in answer.text
    assert browser.get(url(transcript, "docx")).status_code == 200


def test_a_broken_font_file_is_skipped(no_system_fonts, monkeypatch, tmp_path):
    (tmp_path / "A-Sans.ttf").write_bytes(b"broken")
    (tmp_path / "B-Sans.ttf").symlink_to(fonts._bundled()[0].path)
    monkeypatch.setattr(fonts, "SYSTEM", (tmp_path,))

    assert [font.name for font in fonts._installed()] == ["B-Sans"]


def test_a_long_pdf_has_pages(transcript):
    transcript.text = "Words and words. " * 1000

    assert len(pypdf.PdfReader(io.BytesIO(pdf(transcript, Options()))).pages) > 2


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("words", [BROKEN, [], None, "odd", [{}]])
def test_malformed_words_do_not_break_exports(transcript, extension, words):
    transcript.text, transcript.words = "Please call\x0b back.", words
    options = Options(times=True, speakers=True)

    content = FORMATS[extension].make(transcript, options)

    assert "Please call" in visible(extension, content)


@pytest.mark.parametrize("extension", sorted(set(FORMATS) - {"json"}))
@pytest.mark.parametrize(
    ("status", "columns", "sentence"),
    [
        ("completed", {}, "Nobody spoke in this recording."),
        ("error", {"error": "Too short."}, "could not be transcribed. Too short."),
        ("queued", {}, "This transcript is not finished: Queued"),
    ],
)
def test_export_of_a_transcript_without_text_says_why(
    browser, extension, status, columns, sentence
):
    transcript = a_transcript(status, **columns)

    answer = browser.get(url(transcript, extension))

    assert sentence in visible(extension, answer.content)


def test_a_transcript_without_text_is_empty_in_json_and_says_why(browser):
    transcript = a_transcript("error", error="Too short.")

    read = json.loads(browser.get(url(transcript, "json")).content)

    assert (read["text"], read["words"], read["error"]) == ("", [], "Too short.")


def test_export_is_logged_as_read_access(browser, operator, transcript):
    browser.get(url(transcript, "txt"))

    noted = Access.objects.get()
    assert (noted.user, noted.action, noted.row) == (operator, "read", transcript.pk)


@pytest.mark.parametrize("extension", ["exe", "TXT", "doc"])
def test_unknown_format_returns_404(browser, transcript, extension):
    assert browser.get(url(transcript, extension)).status_code == 404


def test_export_requires_permission_to_read(client, django_user_model, transcript):
    client.force_login(django_user_model.objects.create_user("nobody"))

    assert client.get(url(transcript, "txt")).status_code == 403
    assert not Access.objects.exists()


def test_the_page_has_a_button_for_every_format(admin_client, transcript, monkeypatch):
    made = Format("Markdown", "text/markdown", txt)
    monkeypatch.setitem(FORMATS, "md", made)

    page = admin_client.get(transcript.get_absolute_url()).text

    for extension, kind in FORMATS.items():
        action = f'formaction="{url(transcript, extension)}"'
        assert f"{action}>{kind.label}</button>" in page
