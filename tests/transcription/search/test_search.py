"""Full-text search. SQLite and PostgreSQL must give the same results."""

import html
import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from tests.caller.rows import CALL_SID, a_call, a_recording
from tests.transcription.rows import a_transcript
from transcription.models import Transcript
from transcription.review import editing
from transcription.review.current import Change
from transcription.search import finding, postgresql
from transcription.search.query import parse
from transcription.search.snippets import snippets_of
from transcription.tokens import encode, indexed

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

SEARCH = "/search/"
ADMIN = "/admin/transcription/transcript/"

SAID = {
    "ward": "Please call the cardiology ward. It is about blood pressure.",
    "tyre": "The pressure of the tyre is low, there was blood on the road.",
    "accents": "José from Zürich asked for Ærøskøbing and ŁÓDŹ, İzmir, Tiếng.",
    "numbers": "Room 3.14, e-mail anna@example.com, www.example.com/x, 1e5, don't.",
    "signs": "Rock'n'roll: “follow-up”; <b>bold</b> & more_or_less.",
    "greek": "Ο ΟΔΥΣΣΕΥΣ και η Ελένη, Москва, שלום, مرحبا.",
    "empty": "",
}
CASES = {
    "pressure": "ward tyre",
    "PRESSURE": "ward tyre",
    "pressure blood": "ward tyre",
    '"blood pressure"': "ward",
    '"pressure blood"': "",
    "“blood pressure”": "ward",
    "pressure -tyre": "ward",
    'pressure -"blood pressure"': "tyre",
    "-tyre pressure": "ward",
    "pressure -ward -tyre": "",
    "cardio*": "ward",
    "cardio": "",
    "card* pres*": "ward",
    "pres* -card*": "tyre",
    "pressure of": "tyre",
    "jose": "accents",
    "JOSÉ": "accents",
    "zu\u0308rich": "accents",
    "Łódź": "accents",
    "izmir": "accents",
    "tie\u0302\u0301ng tieng": "accents",
    "lodz": "accents",
    "ŁÓDŹ": "accents",
    "aeroskobing": "accents",
    "ærøskøbing": "accents",
    "example.com": "numbers",
    "anna@example.com": "numbers",
    "example": "numbers",
    "3.14": "numbers",
    "14": "numbers",
    "1e5": "numbers",
    "don't": "numbers",
    "don’t": "numbers",
    "e-mail": "numbers",
    '"mail e"': "",
    "follow-up": "signs",
    "follow up": "signs",
    "follow-u*": "signs",
    "-follow-up rock": "",
    "bold": "signs",
    "<b>": "signs",
    "more_or_less": "signs",
    "rock'n'roll": "signs",
    "οδυσσευς": "greek",
    "ΟΔΥΣΣΕΎΣ": "greek",
    "москва": "greek",
    "שלום": "greek",
    "مرحبا": "greek",
    "Ελενη": "greek",
    "pharmacy": "",
    # Invalid syntax is searched as words.
    '"blood pressure': "ward",
    'blood" pressure': "ward tyre",
    "( pressure ) ( tyre": "tyre",
    "pressure AND": "",
    "NEAR(pressure blood)": "",
    "text:pressure": "",
    "pressure ^tyre": "tyre",
    "pressure*tyre": "",
    "pressure & | ! : <-> tyre": "tyre",
    "pressure \\ ' '' tyre": "tyre",
    "--tyre pressure": "ward",
    "pressure \x00 tyre": "tyre",
    "* pressure": "ward tyre",
    '"" pressure': "ward tyre",
    "100% pressure": "",
}


# Language: (text, a search that finds it, a search that does not find it).
LANGUAGES = {
    "Amharic": ("ሐኪሙ መድኃኒት አዘዘ", "መድኃኒት", "መድ"),
    "Arabic": ("الطَّبيبُ كَتَبَ الدَّواء", "الطبيب كتب", "طبيب"),
    "Armenian": ("Բժիշկը դեղ նշանակեց", "ԴԵՂ", "դե"),
    "Bengali": ("ডাক্তার ওষুধ দিলেন", "ডাক্তার ওষুধ", "ডাক"),
    "Burmese": ("ဆရာဝန်က ဆေးညွှန်းပေးတယ်", "ဆေးညွှန်း", "ဆရာမ"),
    "Chinese": ("我们明天上午有会议。请准时。", "会议", "会面"),
    "Czech": ("Příliš žluťoučký kůň", "prilis kun", "kuna"),
    "Danish": ("Et brændende ønske om smørrebrød", "ønske SMØRREBRØD", "smør"),
    "English": ("His résumé was naïve", "resume naive", "res"),
    "Farsi": ("می\u200cخواهم دکتر را ببینم", "می\u200cخواهم", "خواهم"),
    "Georgian": ("ექიმმა წამალი დანიშნა", "წამალი", "წამ"),
    "German": ("Die Straße über Zürich", "STRASSE uber", "stras"),
    "Greek": ("Ο γιατρός έγραψε φάρμακο", "ΓΙΑΤΡΟΣ φαρμακο", "γιατρ"),
    "Gujarati": ("ડૉક્ટરે દવા આપી", "ડૉક્ટરે દવા", "ડૉ"),
    "Hebrew": ("הָרוֹפֵא רָשַׁם תְּרוּפָה", "הרופא תרופה", "רופא"),
    "Hindi": ("डॉक्टर ने दवा दी है", "डॉक्टर दवा", "डॉ"),
    "Japanese": ("明日の午前中に会議があります", "午前中に会議", "会議中"),
    "Japanese, decomposed": (
        "会議か\u3099あり、ホ\u309aンフ\u309a",
        "会議が ポンプ",
        "会議か",
    ),
    "Japanese, half-width": ("ﾊﾟｰﾃｨｰに行きます", "パーティー", "パンティー"),
    "Khmer": ("វេជ្ជបណ្ឌិតបានផ្តល់ថ្នាំ", "ថ្នាំ", "ថ្នក់"),
    "Korean": ("의사가 약을 처방했습니다", "의사가 약을", "의"),
    "Lao": ("ທ່ານໝໍໃຫ້ຢາແກ່ຂ້ອຍ", "ໃຫ້ຢາ", "ຢາໃຫ້"),
    "Marathi": ("डॉक्टरांनी औषध दिले", "डॉक्टरांनी औषध", "डॉक्टर"),
    "Polish": ("Zażółć gęślą jaźń w Łodzi", "zazolc GĘŚLĄ lodzi", "lodz"),
    "Punjabi": ("ਡਾਕਟਰ ਨੇ ਦਵਾਈ ਦਿੱਤੀ", "ਡਾਕਟਰ ਦਵਾਈ", "ਡਾਕ"),
    "Russian": ("Врач выписал ещё одно лекарство", "ВРАЧ еще", "вра"),
    "Sinhala": ("වෛද්‍යවරයා බෙහෙත් දුන්නේය", "බෙහෙත්", "බෙ"),
    "Tamil": ("மருத்துவர் மருந்து கொடுத்தார்", "மருத்துவர் மருந்து", "மருத்து"),
    "Telugu": ("డాక్టర్ మందు ఇచ్చారు", "డాక్టర్ మందు", "డాక్"),
    "Thai": ("คุณหมอบอกให้ทานยาทุกเช้า", "ทานยา", "ยาทาน"),
    "Thai, spaced": ("คุณ หมอ บอก ให้ ทาน ยา", "หมอ บอก", "หมา"),
    "Turkish": ("Işık İstanbul'da hızlı", "ISIK istanbul hizli", "ista"),
    "Ukrainian": ("Лікар виписав їй ліки", "ЛІКАР їй", "ий"),
    "Urdu": ("ڈاکٹر نے دوا دی ہے", "ڈاکٹر دوا", "ڈاک"),
    "Vietnamese": ("Bác sĩ đã kê đơn thuốc", "bac si da ke don thuoc", "thu"),
}


@pytest.fixture
def said():
    call = a_call(sid=CALL_SID, status="completed")
    recording = a_recording(call=call)
    return {
        name: a_transcript(
            "completed", recording=recording, assemblyai_id=name, text=text
        )
        for name, text in SAID.items()
    }


def found(question):
    """Return the names of the matches. The search page and admin must find the same."""
    query = parse(question)
    names = dict(Transcript.objects.values_list("pk", "assemblyai_id"))
    ranked = [names[pk] for pk in finding.ranked_keys(query)]
    filtered = finding.filter_matching(Transcript.objects.all(), query)
    assert {row.assemblyai_id for row in filtered} == set(ranked)
    return ranked


@pytest.mark.parametrize(("question", "answer"), CASES.items())
def test_query_finds_the_expected_transcripts(said, question, answer):
    assert set(found(question)) == set(answer.split())


@pytest.mark.parametrize(("text", "finds", "misses"), LANGUAGES.values(), ids=LANGUAGES)
def test_words_are_found_in_every_script(text, finds, misses):
    recording = a_recording()
    a_transcript("completed", recording=recording, assemblyai_id="it", text=text)
    a_transcript("completed", recording=recording, assemblyai_id="other", text="No.")

    assert found(finds) == ["it"]
    assert found(misses) == []
    it = Transcript.objects.get(assemblyai_id="it")
    [passage] = snippets_of([it], parse(finds))
    assert "<mark>" in passage.passage
    assert re.sub("</?mark>", "", html.unescape(passage.passage)) == text


UNSPACED_CASES = [
    ("会", "我们明天上午有<mark>会议</mark>。<mark>会</mark>"),
    ("会议", "我们明天上午有<mark>会议</mark>。会"),
    ("上午有会", "我们明天<mark>上午有会</mark>议。会"),
    ('"明天 上午"', None),
    ("明天 会议", "我们<mark>明天</mark>上午有<mark>会议</mark>。会"),
    ("议会", None),
    ("会议 -上午", None),
]


@pytest.mark.parametrize(("question", "passage"), UNSPACED_CASES)
def test_any_part_of_a_text_without_spaces_is_found(question, passage):
    recording = a_recording()
    text = "我们明天上午有会议。会"
    a_transcript("completed", recording=recording, assemblyai_id="it", text=text)

    assert found(question) == (["it"] if passage else [])
    if passage:
        assert a_hit(text, question).passage == passage


def test_letters_of_two_scripts_are_found_together():
    recording = a_recording()
    text = "做CT检查，然后打疫苗"
    a_transcript("completed", recording=recording, assemblyai_id="it", text=text)

    for question in ("ct检查", "CT", "检查", '"做ct检查"', "做ct"):
        assert found(question) == ["it"], question


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("3月", "month end"),
        ("-3月 3", "room day"),
        ("iPhone用", "case"),
        ('"iPhone用"', "case"),
        ("iPhone用の", "case"),
        ("iPhone", "case phone"),
        ("検査3月", ""),
        ("5月3日", "day"),
    ],
)
def test_the_last_letter_counts_after_a_word_of_another_script(question, answer):
    recording = a_recording()
    texts = {
        "month": "会議は3月です。",
        "end": "次は3月",
        "room": "3番の部屋です。",
        "day": "5月3日の検査",
        "case": "iPhone用のケース",
        "phone": "iPhoneを買う",
    }
    for name, text in texts.items():
        a_transcript("completed", recording=recording, assemblyai_id=name, text=text)

    assert set(found(question)) == set(answer.split())


def test_a_hit_between_characters_plays_from_its_own_time():
    text = "我们明天上午有会议。"
    words = [
        {"text": letter, "start": n * 4000, "end": n * 4000 + 900}
        for n, letter in enumerate(text)
    ]

    it = a_hit(text, "会议", words)

    assert (it.start_ms, it.url_fragment) == (28_000, "#t=25.0")


@given(st.text())
def test_the_index_is_ascii_in_whatever_language(text):
    assert re.fullmatch("[a-z0-9 ]*", indexed(text))


@given(st.text(min_size=1, max_size=5), st.text(min_size=1, max_size=5))
def test_two_words_never_have_the_same_code(one, other):
    assert (encode(one) == encode(other)) == (one == other)
    if other.startswith(one):
        assert encode(other).startswith(encode(one))


@pytest.mark.parametrize("question", ["", "  ", "-tyre", '""', "*", "-", "%", "🙂"])
def test_query_without_search_terms_is_empty(question):
    assert not parse(question)


@hypothesis(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_no_query_raises_an_exception(said, question):
    if parse(question):
        found(question)


def test_results_are_ranked_by_frequency_then_newest_first(said):
    recording = said["ward"].recording
    texts = {
        "once": "A fever, and then many words of other things that were said.",
        "often": "Fever, fever, high fever, and no word of other things at all.",
    }
    for name, text in [*texts.items(), ("late", texts["once"])]:
        a_transcript("completed", recording=recording, assemblyai_id=name, text=text)

    assert found("fever") == ["often", "late", "once"]


def test_only_the_newest_are_ranked(said, monkeypatch):
    monkeypatch.setattr(finding, "MAX_RESULTS", 1)

    assert finding.ranked_keys(parse("pressure")) == [said["tyre"].pk]


@pytest.mark.parametrize("often", [300, 20_000])
def test_a_phrase_is_found_at_the_end_of_a_long_speech(said, often):
    said["ward"].text = "no " * often + "middle " * 17_000 + "no more of the blood."
    said["ward"].save()

    assert found('"no more of"') == ["ward"]
    assert found('"no mor*"') == []
    assert found("no-mor*") == ["ward"]
    assert found('"no of"') == []
    assert found('"more no"') == []
    assert set(found('blood -"no more"')) == {"tyre"}


def test_the_longest_text_is_stored_whatever_the_index_can_hold(said):
    said["ward"].text = " ".join(f"w{number:x}" for number in range(250_000))
    said["ward"].save()

    assert found("wff") == ["ward"]


def test_the_index_follows_the_text(said):
    row = Transcript.objects.filter(pk=said["ward"].pk)

    row.update(text="Changed.")
    assert (found("cardiology"), found("changed")) == ([], ["ward"])
    row.update(text="")
    assert found("changed") == []
    row.update(text="Back again.")
    assert found("again") == ["ward"]
    row.delete()
    assert found("again") == []


def test_index_still_exists_after_all_migrations():
    """To change a SQLite table, Django recreates it, and its triggers are lost."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute("SELECT indexname FROM pg_indexes")
        names = {name for (name,) in cursor.fetchall()}

    triggers = ("insert", "delete", "update")
    expected = {"transcription_search"}
    if connection.vendor == "sqlite":
        expected = {f"transcription_search_{event}" for event in triggers}
    assert expected <= names


# The passage


def a_hit(text, question, words=None):
    said = words if words is not None else spoken(text)
    transcript = Transcript(text=text, words=said)
    return snippets_of([transcript], parse(question))[0]


def spoken(text):
    """Return AssemblyAI's list of these words, one per second."""
    return [
        {"text": word, "start": n * 1000, "end": n * 1000 + 900}
        for n, word in enumerate(text.split())
    ]


@pytest.mark.parametrize(
    ("text", "question", "passage"),
    [
        ("Call José.", "jose", "Call <mark>José</mark>."),
        ("The <b> & ward", "ward", "The &lt;b&gt; &amp; <mark>ward</mark>"),
        (
            "no blood, blood pressure",
            '"blood pressure"',
            "no blood, <mark>blood pressure</mark>",
        ),
        ("cardiology", "card*", "<mark>cardiology</mark>"),
        ("a b c", "c a -d", "<mark>a</mark> b <mark>c</mark>"),
        ("A follow-up.", "follow-up", "A <mark>follow-up</mark>."),
        ("nothing of it", "ward", "nothing of it"),
        ("", "ward", ""),
    ],
)
def test_the_passage_is_escaped_and_marked(text, question, passage):
    assert a_hit(text, question).passage == passage


def test_a_long_text_is_cut_around_the_most_terms():
    text = "blood " + "x " * 100 + "the blood pressure " + "y " * 100

    it = a_hit(text, "pressure blood")

    assert it.passage.startswith("… x x")
    assert it.passage.endswith("y …")
    assert "<mark>blood</mark> <mark>pressure</mark>" in it.passage
    assert (it.clock, it.url_fragment) == ("1:42", "#t=99.0")


@pytest.mark.parametrize(
    ("words", "at", "fragment"),
    [
        (None, 2000, "#t=0.0"),
        ([], None, ""),
        ("odd", None, ""),
        ([{"text": "the"}, {"text": "ward", "start": None}], 800, "#t=0.0"),
        (
            [{"text": "the", "start": 9000, "end": 9500}, {"text": "ward"}],
            9500,
            "#t=6.5",
        ),
        ([{"text": "else", "start": 9000}], 9800, "#t=6.8"),
    ],
)
def test_the_hit_plays_from_three_seconds_before_it(words, at, fragment):
    it = a_hit("call the ward", "ward", words)

    assert (it.start_ms, it.url_fragment) == (at, fragment)


# The page


def test_page_shows_number_passage_and_player(browser, said):
    ward = said["ward"]
    ward.words = spoken(ward.text)
    ward.save()

    page = browser.get(SEARCH, {"q": "blood -tyre"})

    recording = ward.recording
    assert "<mark>blood</mark>" in page.text
    assert "+1 415-555-1234" in page.text
    assert f'src="{recording.audio_url}#t=5.0"' in page.text
    assert f'href="{ADMIN}{ward.pk}/change/#t=5.0"' in page.text
    assert "1 transcript<" in page.text


def test_player_is_hidden_without_permission_to_listen(browser, operator, said):
    gone = Permission.objects.filter(codename__in=["view_recording", "view_call"])
    operator.user_permissions.remove(*gone)
    operator.is_staff = False
    operator.save()

    page = browser.get(SEARCH, {"q": "blood"})

    assert "<mark>blood</mark>" in page.text
    assert "<audio" not in page.text
    assert '<a class="number"' not in page.text
    assert ADMIN not in page.text


def test_a_recording_without_a_call_is_named_by_its_source(browser):
    recording = a_recording(sid=None, source="file")
    a_transcript("completed", recording=recording, text="Blood.")

    assert "A recording from a file" in browser.get(SEARCH, {"q": "blood"}).text


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("", "cardiologist"),
        ("?!", "Your search contains no word"),
        ("-blood", "only of excluded words"),
        ("pharmacy", "No transcript contains pharmacy"),
        ("pharmacy x", "remove a word"),
        ("<script>", "No transcript contains &lt;script&gt;"),
    ],
)
def test_page_explains_empty_and_fruitless_searches(browser, said, question, sentence):
    page = browser.get(SEARCH, {"q": question})

    assert sentence in page.text
    assert page.status_code == 200


def test_the_pages_of_a_result_cost_the_same(
    browser, said, django_assert_max_num_queries
):
    for number in range(41):
        a_transcript(
            "completed",
            recording=said["ward"].recording,
            assemblyai_id=str(number),
            text=f"Fever number {number}.",
        )

    # PostgreSQL needs three more queries than SQLite, to limit the time of a search.
    with django_assert_max_num_queries(12):
        first = browser.get(SEARCH, {"q": "fever"})
    last = browser.get(SEARCH, {"q": "fever", "page": "3"})
    beyond = browser.get(SEARCH, {"q": "fever", "page": "x"})

    assert first.text.count('<li class="result">') == 20
    assert "41 transcripts, best match first · page 1 of 3" in " ".join(
        first.text.split()
    )
    assert last.text.count('<li class="result">') == 1
    assert beyond.text.count('<li class="result">') == 20
    assert "?q=fever&amp;page=2" in first.text


def by_two(text):
    """Return AssemblyAI's list of words: A says the first word, B all other words."""
    words = spoken(text)
    return [{**word, "speaker": "AB"[n > 0]} for n, word in enumerate(words)]


@pytest.mark.parametrize("question", ["fever", "before:2199-01-01"])
def test_corrected_transcripts_cost_no_more_queries(browser, operator, question):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            browser.get(SEARCH, {"q": question})
        return len(captured)

    for number in (1, 2, 3):
        recording = a_recording(sid=f"RE{number:032}")
        text = f"No fevr {number}"
        row = a_transcript(
            "completed",
            recording=recording,
            assemblyai_id=str(number),
            text=text,
            words=by_two(text),
        )
        editing.save(row, operator, 0, [Change(1, 2, f"high fever {number}")])
        editing.name_speakers(row, operator, {"Speaker B": f"Person {number}"})
        if number == 1:
            one = queries()

    assert queries() == one


def test_a_hit_in_a_correction_has_its_time_and_speaker(browser, operator, said):
    ward = said["ward"]
    ward.words = by_two(ward.text)
    ward.save()
    editing.save(ward, operator, 0, [Change(4, 5, "station")])
    editing.name_speakers(ward, operator, {"Speaker B": "Bob"})
    editing.name_speakers(ward, operator, {"Speaker B": "Dr Stone"})

    page = browser.get(SEARCH, {"q": "station"})

    said_by = "<b><bdi>Dr Stone</bdi>:</b>"
    assert f"{said_by} Please call the cardiology <mark>station</mark>" in page.text
    assert f"{ward.recording.audio_url}#t=1.0" in page.text


def test_truncated_result_shows_a_message(browser, said, monkeypatch):
    monkeypatch.setattr(finding, "MAX_RESULTS", 2)

    assert "Only the 2 newest are listed" in browser.get(SEARCH, {"q": "pressure"}).text


@pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="only PostgreSQL limits the time"
)
def test_a_search_that_takes_too_long_is_ended(browser, said, monkeypatch):
    slow = (
        "SELECT id FROM transcription_transcript WHERE {} "
        "AND pg_sleep(5) IS NOT NULL AND %s <> '' LIMIT {}"
    )
    monkeypatch.setattr(postgresql, "RANKED_KEYS", slow)
    monkeypatch.setattr(finding, "TIMEOUT_MS", 20)

    page = browser.get(SEARCH, {"q": "pressure"})

    assert "Add a rarer word" in page.text


def test_search_requires_permission_to_read_transcripts(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("nobody"))

    page = client.get(SEARCH, {"q": "blood"})

    assert page.status_code == 403
    assert "You are not allowed to do this" in page.text
    assert f'href="{SEARCH}"' not in page.text


def test_page_header_links_to_the_search(browser):
    assert f'href="{SEARCH}"' in browser.get("/").text


# The search in admin's list of transcripts


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ('"blood pressure"', "ward"),
        ("pressure -tyre", "ward"),
        ("card*", "ward"),
        ("jose", "accents"),
        ("pharmacy", ""),
        ("-tyre", ""),
        ("?!", ""),
    ],
)
def test_admin_list_uses_the_same_search(browser, said, question, answer):
    page = browser.get(ADMIN, {"q": question})

    keys = map(int, set(re.findall(rf"{ADMIN}(\d+)/change", page.text)))
    names = dict(Transcript.objects.values_list("pk", "assemblyai_id"))
    assert {names[pk] for pk in keys} == set(answer.split())


def test_the_list_in_admin_finds_a_number_however_it_is_written(browser, said):
    for number in ("+1 415-555-1234", "(415) 555-1234", "4155551234"):
        page = browser.get(ADMIN, {"q": number})

        assert f"{ADMIN}{said['ward'].pk}/change/" in page.text
