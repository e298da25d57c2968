"""Each file is read back by somebody else's library, or by a parser written for it."""

import csv
import html
import io
import json
import re
import zipfile
from datetime import timedelta
from itertools import pairwise

import docx
import pypdf
import pysubs2
import pytest
import webvtt
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from djtranscribe.models import Access
from tests.caller.rows import CALL_SID, NUMBER, a_call, a_recording
from tests.transcription.rows import a_transcript
from transcription.exports import bulk, fonts, subtitles
from transcription.exports import formats as exports
from transcription.exports.formats import FORMATS, Options
from transcription.models import Export, Transcript
from transcription.review.current import words_of
from transcription.words import Word

ADMIN = "/admin/transcription/transcript/"
EXPORT = "11111111-2222-4333-8444-666666666666"
TEXT = "Please call the cardiology ward. José said <no> & {yes}. Привет!"
WORDS = [
    {
        "text": word,
        "start": number * 400,
        "end": number * 400 + 350,
        "confidence": 0.9,
        "speaker": "A" if number < 5 else "B",
        "channel": None,
    }
    for number, word in enumerate(TEXT.split())
]
# AssemblyAI's fields may be missing or null.
BROKEN = [
    {"text": "Please", "start": None, "end": None},
    {"text": None},
    "odd",
    {"text": "call", "start": 900, "end": 100},
    {"text": "back.", "start": 50},
]


@pytest.fixture
def transcript(db):
    recording = a_recording(call=a_call(sid=CALL_SID, status="completed"))
    return a_transcript(
        "completed",
        recording=recording,
        text=TEXT,
        words=WORDS,
        confidence=0.9,
        language="en_us",
        audio_seconds=5,
    )


def url(transcript, extension):
    return f"/transcripts/{transcript.uuid}/export/{extension}/"


def srt(content):
    """[(start in ms, end, [line])], by the format's own rules."""
    blocks = content.decode().replace("\r\n", "\n").strip("\n").split("\n\n")
    cues = []
    for number, block in enumerate(blocks, 1):
        head, times, *lines = block.split("\n")
        assert head == str(number)
        found = re.fullmatch(
            r"(\d\d+):(\d\d):(\d\d),(\d{3}) --> (\d\d+):(\d\d):(\d\d),(\d{3})", times
        )
        h, m, s, ms, h2, m2, s2, ms2 = map(int, found.groups())
        start = ((h * 60 + m) * 60 + s) * 1000 + ms
        cues.append((start, ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2, lines))
    return cues


def vtt(content):
    assert content.startswith(b"WEBVTT\n")
    return webvtt.from_string(content.decode())


def docx_lines(content):
    return [each.text for each in docx.Document(io.BytesIO(content)).paragraphs]


def pdf_text(content):
    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def visible(extension, content):
    """What a reader sees of the file, without line breaks."""
    if extension == "pdf":
        return pdf_text(content)
    if extension == "docx":
        return " ".join(docx_lines(content))
    if extension == "srt":
        return " ".join(" ".join(lines) for _, _, lines in srt(content))
    if extension == "vtt":
        return " ".join(cue.text.replace("\n", " ") for cue in vtt(content))
    if extension == "json":
        return json.dumps(json.loads(content), ensure_ascii=False)
    return content.decode()


# One


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
def test_times_and_speakers_are_there_if_asked_for(browser, transcript, extension):
    plain = browser.get(url(transcript, extension)).content
    both = browser.get(url(transcript, extension), {"times": "1", "speakers": "1"})

    speaker = '"speaker": "B"' if extension == "json" else "Speaker B"
    assert speaker not in visible(extension, plain)
    assert speaker in visible(extension, both.content)


def test_text_and_word_files_show_when_and_who(transcript):
    both = Options(times=True, speakers=True)

    assert exports.txt(transcript, both).decode() == (
        "[0:00 Speaker A] Please call the cardiology ward.\n\n"
        "[0:02 Speaker B] José said <no> & {yes}. Привет!\n"
    )
    assert exports.txt(transcript, Options(times=True)).startswith(b"[0:00] Please")
    assert exports.txt(transcript, Options()).decode() == f"{TEXT}\n"
    assert docx_lines(exports.docx(transcript, both))[2:] == [
        "0:00 Speaker A  Please call the cardiology ward.",
        "0:02 Speaker B  José said <no> & {yes}. Привет!",
    ]


def test_json_holds_what_assemblyai_said(transcript):
    read = json.loads(exports.as_json(transcript, Options(times=True)))
    plain = json.loads(exports.as_json(transcript, Options()))

    assert (read["text"], read["number"]) == (TEXT, NUMBER)
    assert read["words"][1] == {
        "text": "call",
        "confidence": 0.9,
        "start": 400,
        "end": 750,
    }
    assert plain["words"][1] == {"text": "call", "confidence": 0.9}


def test_subtitles_hold_what_would_be_markup(transcript):
    as_srt = visible("srt", FORMATS["srt"].make(transcript, Options()))
    as_vtt = FORMATS["vtt"].make(transcript, Options()).decode()

    assert "José said <\u2060no> & {\u2060yes}. Привет!" in as_srt
    assert "&lt;no&gt; &amp; {yes}" in as_vtt


@pytest.mark.parametrize("said", [r"C:\New", r"a\hb", r"{\an8}x", "<i>x</i>", "a-->b"])
def test_no_player_takes_what_was_said_for_markup(transcript, said):
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
def test_nothing_is_lost_that_the_list_of_words_lacks(transcript, extension, listed):
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
def test_spaces_are_where_the_text_has_them(transcript, extension, text):
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


def test_a_wrong_time_is_in_no_file(transcript):
    transcript.text = "one two three. four five six."
    transcript.words = [
        {"text": word, "start": n * 400, "end": n * 400 + 300, "speaker": "AB"[n // 3]}
        for n, word in enumerate(transcript.text.split())
    ]
    transcript.words[2]["start"] = 502_000
    both = Options(times=True, speakers=True)

    cues = srt(FORMATS["srt"].make(transcript, both))

    assert exports.txt(transcript, both).startswith(b"[0:00 Speaker A] one two three")
    assert b"[0:01 Speaker B] four" in exports.txt(transcript, both)
    assert max(end for _, end, _ in cues) <= 5000


SCRIPTS = {
    "Polish": "Zażółć gęślą jaźń",
    "Vietnamese": "Xin chào các bạn",
    "Greek": "Καλημέρα σας",
    "Russian": "Привет, это запись",
    "Thai": "คุณหมอบอกให้ทานยาทุกเช้า",
    "Western": "“Zürich” – café… €5",
}
# Their letters are joined, or run from right to left: each program that reads a PDF
# puts them together in its own way.
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

    content = exports.pdf(transcript, Options())

    assert text in pdf_text(content)
    assert len(content) < 200_000


@pytest.mark.parametrize("text", SHAPED.values(), ids=SHAPED)
def test_a_pdf_has_letters_that_are_joined(transcript, text):
    transcript.text = text

    content = exports.pdf(transcript, Options())

    # Most letters: a ligature stands for several of them.
    letters = {letter for letter in text if letter.isalpha()}
    assert len(letters - set(pdf_text(content))) <= len(letters) / 4
    assert len(content) < 200_000


NO_FONT = {
    "𒀀": "fonts-noto-core",
    "会": "fonts-droid-fallback",
    "안": "fonts-nanum",
    "☂": "fonts-symbola",
}


@pytest.fixture
def no_system_fonts(monkeypatch):
    monkeypatch.setattr(fonts, "SYSTEM", ())
    fonts._installed.cache_clear()
    yield
    fonts._installed.cache_clear()


@pytest.mark.parametrize(("letter", "package"), NO_FONT.items())
def test_a_pdf_without_a_font_is_refused_and_never_falsified(
    browser, transcript, no_system_fonts, letter, package
):
    Transcript.objects.filter(pk=transcript.pk).update(text=f"Yes {letter}", words=[])

    answer = browser.get(url(transcript, "pdf"))

    assert answer.status_code == 422
    assert f"no font here has the letter “{letter}”" in answer.text
    assert f"apt install {package}" in answer.text
    assert browser.get(url(transcript, "docx")).status_code == 200


def test_a_pdf_that_cannot_be_made_is_named_in_the_zip(
    browser, transcript, no_system_fonts
):
    Transcript.objects.filter(pk=transcript.pk).update(text="会", words=[])

    _, content = download(browser, "pdf", transcript)

    archive = zipfile.ZipFile(io.BytesIO(content))
    [name] = archive.namelist()
    assert name.endswith(".pdf-was-not-made.txt")
    assert "no font here has the letter “会”" in archive.read(name).decode()


def test_a_long_pdf_has_pages(transcript):
    transcript.text = "Words and words. " * 3000

    assert (
        len(pypdf.PdfReader(io.BytesIO(exports.pdf(transcript, Options()))).pages) > 5
    )


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("words", [BROKEN, [], None, "odd", [{}]])
def test_words_that_are_odd_break_no_file(transcript, extension, words):
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
def test_a_transcript_without_text_is_a_sentence(
    browser, extension, status, columns, sentence
):
    transcript = a_transcript(status, **columns)

    answer = browser.get(url(transcript, extension))

    assert sentence in visible(extension, answer.content)


def test_a_transcript_without_text_is_empty_in_json_and_says_why(browser):
    transcript = a_transcript("error", error="Too short.")

    read = json.loads(browser.get(url(transcript, "json")).content)

    assert (read["text"], read["words"], read["error"]) == ("", [], "Too short.")


def test_whoever_saves_a_transcript_has_read_it(browser, operator, transcript):
    browser.get(url(transcript, "txt"))

    noted = Access.objects.get()
    assert (noted.user, noted.action, noted.row) == (operator, "read", transcript.pk)


@pytest.mark.parametrize("extension", ["exe", "TXT", "doc"])
def test_a_format_that_there_is_not_is_not_found(browser, transcript, extension):
    assert browser.get(url(transcript, extension)).status_code == 404


def test_who_may_not_read_may_not_save(client, django_user_model, transcript):
    client.force_login(django_user_model.objects.create_user("nobody"))

    assert client.get(url(transcript, "txt")).status_code == 403
    assert not Access.objects.exists()


def test_the_links_lead_to_every_format(transcript):
    page = render_to_string("transcription/_exports.html", {"transcript": transcript})

    for extension in FORMATS:
        assert f'formaction="{url(transcript, extension)}"' in page


# Subtitles


AFTER_MS = 500


def speech(turns):
    """Words of (speaker, word lengths, gap before), as an engine lists them."""
    words, at = [], 0
    for speaker, gap, lengths in turns:
        at += gap
        for text, lasts in lengths:
            words.append(Word(text, at, at + lasts, None, speaker))
            at += lasts + 40
    return words


spoken_turns = st.lists(
    st.tuples(
        st.sampled_from(["", "Speaker A", "Speaker B"]),
        st.integers(-1500, 4000),
        st.lists(
            st.tuples(
                # Without the hyphen, which marks a speaker in a cue.
                st.text(
                    st.characters(categories=["L", "P"], exclude_characters="-"),
                    min_size=1,
                    max_size=60,
                ),
                st.integers(50, 900),
            ),
            min_size=1,
            max_size=12,
        ),
    ),
    max_size=12,
).map(lambda turns: [w for w in speech(turns) if w.start >= 0])


@hypothesis(max_examples=300, deadline=None)
@given(spoken_turns, st.booleans())
def test_subtitles_stay_with_the_speech(words, speakers):
    seconds = max((word.end for word in words), default=0) / 1000

    cues = subtitles.cues(words, seconds, speakers)

    shown = "".join(re.sub(r"^- ", "", line) for cue in cues for line in cue.lines)
    assert speakers or sorted(shown.replace(" ", "")) == sorted(
        "".join(word.text for word in words)
    )
    for cue in cues:
        assert len(cue.lines) <= 2
        assert cue.start < cue.end <= seconds * 1000
        near = [w for w in words if w.start < cue.end and w.end > cue.start - 40]
        assert near
        # The speech that it shows begins with it and ends shortly before it does.
        assert min(abs(w.start - cue.start) for w in words) <= AFTER_MS
        assert cue.end <= max(w.end for w in near) + AFTER_MS
    assert [cue.start for cue in cues] == sorted(cue.start for cue in cues)


def in_turns(count, step, lasts):
    return [
        Word(f"w{n}", n * step, n * step + lasts, None, f"Speaker {'AB'[n % 2]}")
        for n in range(count)
    ]


def test_quick_turns_share_cues_and_do_not_run_away():
    cues = subtitles.cues(in_turns(150, 400, 350), 60)

    assert cues[0].lines == ["- w0", "- w1"]
    assert (cues[0].start, cues[-1].end) == (0, 60_000)
    for number, cue in enumerate(cues):
        assert cue.start == number * 800
    for before, after in pairwise(cues):
        assert before.end <= after.start


def test_two_who_talk_at_once_have_cues_at_once():
    ada = [Word(f"a{n}", n * 300, n * 300 + 280, None, "A") for n in range(10)]
    bob = [Word(f"b{n}", n * 300 + 100, n * 300 + 380, None, "B") for n in range(10)]

    cues = subtitles.cues(sorted(ada + bob, key=lambda word: word.start), 3.2)

    assert [cue.lines for cue in cues] == [
        ["a0 a1 a2 a3 a4 a5 a6 a7 a8 a9"],
        ["b0 b1 b2 b3 b4 b5 b6 b7 b8 b9"],
    ]
    assert [cue.start for cue in cues] == [0, 100]
    assert max(cue.end for cue in cues) <= 3200


def test_slow_speech_can_be_read():
    words = [
        Word(word, n * 400, n * 400 + 300, None, "")
        for n, word in enumerate(("A sentence, of twenty letters each. " * 3).split())
    ]

    for cue in subtitles.cues(words):
        assert sum(map(len, cue.lines)) * 1000 / (cue.end - cue.start) <= 20


def test_a_subtitle_begins_with_its_first_word_and_ends_with_its_sentence(transcript):
    first, second, *_ = subtitles.cues(words_of(transcript))

    assert (first.start, first.lines) == (0, ["Please call the cardiology ward."])
    assert second.start == WORDS[5]["start"]


def test_a_silence_leaves_the_screen_empty():
    words = [Word("One.", 0, 500, None, ""), Word("Two.", 60_000, 60_500, None, "")]

    assert [(cue.start, cue.end) for cue in subtitles.cues(words)] == [
        (0, 1000),
        (60_000, 61_000),
    ]


@pytest.mark.parametrize(
    "cluster", ["नि", "e\u0301", "👩\u200d👩\u200d👧", "🇵🇱", "กำ่", "க்"]
)
def test_a_long_word_is_not_cut_inside_a_letter(cluster):
    word = Word(f"x{cluster * 60}", 0, 6000, None, "")

    lines = [line for cue in subtitles.cues([word]) for line in cue.lines]

    assert "".join(lines) == word.text
    for line in lines:
        assert line.removeprefix("x").replace(cluster, "") == ""


# Many


def chosen(*rows):
    return {"action": "export", "_selected_action": [row.pk for row in rows]}


def download(browser, kind, *rows, export=EXPORT, **options):
    """Press the button of the page that the action leads to."""
    asked = {**chosen(*rows), "kind": kind, "export": export, **options}
    answer = browser.post(ADMIN, asked)
    return answer, b"".join(answer.streaming_content)


@pytest.fixture
def many(transcript):
    others = [
        a_transcript(
            "completed",
            recording=transcript.recording,
            assemblyai_id=str(number),
            text=f"=HYPERLINK({number})",
        )
        for number in range(5)
    ]
    return [transcript, *others]


def test_many_are_one_csv(browser, many, monkeypatch):
    monkeypatch.setattr(bulk, "AT_ONCE", 2)

    answer, content = download(browser, "csv", *many)

    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert answer["Content-Disposition"] == 'attachment; filename="transcripts.csv"'
    assert {row["uuid"] for row in rows} == {str(each.uuid) for each in many}
    assert {row["number"] for row in rows} == {NUMBER}
    assert TEXT in {row["text"] for row in rows}
    assert "'=HYPERLINK(3)" in {row["text"] for row in rows}
    assert Access.objects.count() == 6


def test_a_table_does_not_read_every_word(browser, many):
    with CaptureQueriesContext(connection) as asked:
        download(browser, "csv", *many)

    texts = [
        query["sql"]
        for query in asked
        if '"transcription_transcript"."text"' in query["sql"]
    ]
    assert len(texts) == 1
    assert '"words"' not in texts[0]


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(begin):
    assert bulk.harmless(f"{begin}A1") == f"'{begin}A1"
    assert bulk.harmless(f"1{begin}") == f"1{begin}"
    assert bulk.harmless(None) == ""


@pytest.mark.parametrize("number", [NUMBER, "-0.5", "+1", "-12", "0.93", "1e5"])
def test_a_number_stays_a_number(number):
    assert bulk.harmless(number) == number


@pytest.mark.parametrize("formula", ["+1+cmd|' /C calc'!A0", "-2+3", "+1-2", "+A1"])
def test_what_only_begins_as_a_number_is_no_number(formula):
    assert bulk.harmless(formula) == f"'{formula}"


@pytest.mark.parametrize(("length", "is_noted"), [(32_767, False), (32_768, True)])
def test_a_text_too_long_for_a_cell_is_whole_and_says_so(
    browser, transcript, length, is_noted
):
    Transcript.objects.filter(pk=transcript.pk).update(text="x" * length)

    _, content = download(browser, "csv", transcript)

    csv.field_size_limit(10**6)
    [row] = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert row["text"] == "x" * length
    assert ("first 32,767" in row["note"]) == is_noted


@pytest.mark.parametrize("extension", FORMATS)
def test_many_are_one_zip(browser, many, extension):
    answer, content = download(browser, extension, *many)

    archive = zipfile.ZipFile(io.BytesIO(content))
    assert answer.streaming
    assert archive.testzip() is None
    assert len(archive.namelist()) == 6
    name = exports.filename(many[0], extension)
    assert "cardiology ward." in visible(extension, archive.read(name))


def test_nothing_is_read_before_it_is_sent(many, operator):
    pieces = bulk.zip_pieces(
        bulk.batches(Transcript.objects.all(), operator), "txt", Options()
    )

    assert not Access.objects.exists()
    assert next(pieces).startswith(b"PK")
    assert Access.objects.count() == 6


def test_nothing_is_held_open_between_two_pieces(many, operator, monkeypatch):
    monkeypatch.setattr(bulk, "AT_ONCE", 2)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE scratch (id integer)")
        batches = bulk.batches(Transcript.objects.all(), operator)
        next(batches)
        # SQLite refuses it while a SELECT is read from, as it refuses to write then
        # what another process has written meanwhile.
        cursor.execute("DROP TABLE scratch")

    assert sum(map(len, batches)) == 4


def test_a_transcript_that_is_deleted_amid_an_export_is_passed_over(
    many, operator, monkeypatch
):
    monkeypatch.setattr(bulk, "AT_ONCE", 4)
    batches = bulk.batches(Transcript.objects.order_by("pk"), operator)
    next(batches)
    many[-1].delete()

    assert list(batches) == [[many[-2]]]


def test_who_may_not_read_may_not_export_many(client, django_user_model, many):
    client.force_login(django_user_model.objects.create_user("no", is_staff=True))

    answer = client.post(ADMIN, {**chosen(*many), "kind": "csv", "export": EXPORT})

    assert answer.status_code == 403
    assert not Export.objects.exists()


def test_the_action_asks_for_the_kind_of_file_first(browser, many):
    page = browser.post(ADMIN, chosen(*many)).text

    assert "6 transcripts will be in the file" in page
    for each in many:
        assert f'name="_selected_action" value="{each.pk}"' in page
    # Nothing has been taken yet.
    assert not Export.objects.exists()
    assert not Access.objects.exists()


def test_a_choice_that_there_is_not_is_asked_for_again(browser, many):
    page = browser.post(ADMIN, {**chosen(*many), "kind": "exe", "export": EXPORT})

    assert "not one of the available choices" in page.text
    assert not Export.objects.exists()


@pytest.mark.parametrize("export", ["", "odd", "\0", EXPORT.upper(), f"{{{EXPORT}}}"])
@pytest.mark.parametrize("kind", ["exe", "csv"])
def test_an_export_of_no_name_is_no_fault_of_ours(browser, many, kind, export):
    answer = browser.post(ADMIN, {**chosen(*many), "kind": kind, "export": export})

    assert answer.status_code == 200
    assert answer.streaming == (kind == "csv")


def test_all_that_match_are_exported_if_asked_for(browser, many):
    _, content = download(browser, "csv", many[0], select_across="1")

    assert content.count(b"\n") == 7


def test_the_files_of_a_zip_have_times_and_speakers_if_asked_for(browser, transcript):
    _, content = download(browser, "txt", transcript, times="on", speakers="on")

    archive = zipfile.ZipFile(io.BytesIO(content))
    assert b"[0:00 Speaker A]" in archive.read(archive.namelist()[0])


def progress(browser, export=EXPORT, address=""):
    address = address or f"/exports/{export}/progress/"
    return " ".join(browser.get(address).text.split())


def polled_to_the_end(browser):
    """Follow the page's own polls; the last answer, and how many there were."""
    said, polls = progress(browser), 1
    while (following := re.search('hx-get="([^"]+)"', said)) and polls < 100:
        said, polls = progress(browser, address=following[1]), polls + 1
    return said, polls


def test_a_download_that_never_began_ends_its_polling(browser):
    said, polls = polled_to_the_end(browser)

    assert "The download did not begin." in said
    assert 30 <= polls < 40


def test_polling_somebody_elses_download_ends_too(browser, django_user_model):
    other = django_user_model.objects.create_user("other")
    Export.objects.create(uuid=EXPORT, user=other, kind="CSV", total=6)

    said, polls = polled_to_the_end(browser)

    assert "The download did not begin." in said
    assert polls < 40


def test_a_download_that_begins_late_is_followed(browser, operator):
    for _ in range(20):
        progress(browser)
    Export.objects.create(uuid=EXPORT, user=operator, kind="CSV", total=6)

    late = progress(browser, address=f"/exports/{EXPORT}/progress/?asked=99")

    assert 'max="6" value="0"' in late
    assert "hx-get" in late


@pytest.mark.parametrize(
    "odd", ["", "-1", "x", "²", "9" * 99, "1&asked=x", "%00", "1e9"]
)
def test_an_odd_count_of_polls_is_no_fault_of_ours(browser, odd):
    said = progress(browser, address=f"/exports/{EXPORT}/progress/?asked={odd}")

    assert "The download begins" in said


def test_how_far_a_download_is_can_be_asked(browser, many, monkeypatch):
    monkeypatch.setattr(bulk, "AT_ONCE", 2)
    before = progress(browser)

    asked = {**chosen(*many), "kind": "csv", "export": EXPORT}
    pieces = iter(browser.post(ADMIN, asked).streaming_content)
    next(pieces)
    next(pieces)
    amid = progress(browser)
    list(pieces)
    after = progress(browser)

    assert "begins" in before
    assert 'max="6" value="2"' in amid
    assert "hx-get" in amid
    assert "The file is whole: 6 transcripts." in after
    assert "hx-get" not in after


def test_a_download_that_stands_still_is_said_to_have_broken_off(
    browser, operator, many
):
    Export.objects.create(
        uuid=EXPORT,
        user=operator,
        kind="CSV",
        total=6,
        sent=2,
        moved_at=timezone.now() - timedelta(minutes=1),
    )

    said = progress(browser)

    assert "broke off after 2 of 6" in said
    assert "hx-get" not in said


def test_who_did_not_ask_for_a_download_learns_nothing_of_it(
    browser, django_user_model, many
):
    other = django_user_model.objects.create_user("other")
    Export.objects.create(uuid=EXPORT, user=other, kind="CSV", total=6, sent=2)

    assert "6" not in re.sub("<[^>]+>", "", progress(browser))


def test_a_button_pressed_twice_is_two_exports(browser, operator, many):
    for _ in range(2):
        download(browser, "csv", *many)

    assert [row.sent for row in Export.objects.filter(user=operator)] == [6, 6]
