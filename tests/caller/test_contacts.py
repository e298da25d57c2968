"""Contacts, the names for numbers: where they are shown, imported, and used."""

from unittest.mock import patch

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile

from caller.contacts import files
from caller.models import Call, Contact, ContactNumber, DoNotCall, Note, Tag
from caller.phone_numbers import with_country_code
from tests.caller.rows import a_call, a_recording
from tests.djtranscribe.api.programs import program_of
from tests.transcription.rows import a_transcript
from transcription.exports import bulk
from transcription.models import Transcript, Vocabulary
from transcription.tasks import start

pytestmark = pytest.mark.django_db

NUMBER = "+14155551234"
IMPORT = "/contacts/import/"


@pytest.fixture
def operator(operator):
    names = ["view_contact", "add_contact", "view_note", "add_note"]
    operator.user_permissions.add(*Permission.objects.filter(codename__in=names))
    return operator


def ada(**columns):
    contact = Contact.objects.create(name="Ada Lovelace", **columns)
    ContactNumber.objects.create(contact=contact, number=NUMBER, label="mobile")
    return contact


def upload(browser, text, name="contacts.csv"):
    content = text if isinstance(text, bytes) else text.encode()
    return browser.post(IMPORT, {"file": SimpleUploadedFile(name, content)})


@pytest.mark.parametrize(
    ("ours", "typed", "expected"),
    [
        (NUMBER, "(415) 555-1234", NUMBER),
        (NUMBER, "4155551234", NUMBER),
        (NUMBER, "1 415 555 1234", "1 415 555 1234"),
        # This is a local number, although +6462123456 is a number in New Zealand.
        (NUMBER, "(646) 212-3456", "+16462123456"),
        (NUMBER, "44 20 7946 0123", "44 20 7946 0123"),
        (NUMBER, "+44 20 7946 0123", "+44 20 7946 0123"),
        # Characters that are ignored may come before the `+`.
        (NUMBER, "(+65) 6212 3456", "(+65) 6212 3456"),
        (NUMBER, "[+45] 82 12 34 56", "[+45] 82 12 34 56"),
        (NUMBER, "'+6462123456", "'+6462123456"),
        (NUMBER, "\u202a+6462123456\u202c", "\u202a+6462123456\u202c"),
        (NUMBER, "011 44 20 7946 0123", "+442079460123"),
        (NUMBER, "call me", "call me"),
        ("+442079460123", "020 7946 0124", "+442079460124"),
        ("+442079460123", "07911 123456", "+447911123456"),
        ("+442079460123", "00 1 415 555 1234", NUMBER),
        ("+442079460123", "14155551234", "14155551234"),
        # In Germany, national numbers begin with 0. This one does not, so +44 is meant.
        ("+4930901820", "442079460123", "442079460123"),
        ("+4930901820", "030 901821", "+4930901821"),
    ],
)
def test_a_number_is_understood_as_it_is_written_at_home(
    settings, ours, typed, expected
):
    settings.TWILIO_PHONE_NUMBER = ours

    assert with_country_code(typed) == expected


def test_the_name_is_shown_with_the_number_everywhere(browser, operator):
    ada()
    call = a_call(other_number=NUMBER, status="completed")
    recording = a_recording(call=call)
    a_transcript("completed", recording=recording, text="Hello pump.")

    for path in ("/", call.get_absolute_url(), f"{call.get_absolute_url()}number/"):
        assert "Ada Lovelace" in browser.get(path).text, path
    checked = browser.post("/dial/check/", {"number": "(415) 555-1234"}).text
    for text in (checked, browser.get("/dial/14155551234/").text):
        assert "Ada Lovelace" in text
    found = browser.get("/search/", {"q": "to:lovelace pump"}).text
    assert "Ada Lovelace" in found
    for path in ("caller/call", "transcription/transcript"):
        assert "Ada Lovelace" in browser.get(f"/admin/{path}/").text, path
    assert "Ada Lovelace" in browser.get("/admin/caller/call/?q=ada").text
    transcript = Transcript.objects.get()
    exported = browser.get(f"/transcripts/{transcript.uuid}/export/json/")
    assert exported.json()["contact"] == "Ada Lovelace"
    lines = bulk.csv_lines(bulk.batches(Transcript.objects.all(), operator))
    assert b",Ada Lovelace\r\n" in b"".join(lines)
    program = program_of("crm", ["view_call"])
    assert program.get("/api/calls").json()["items"][0]["contact"] == "Ada Lovelace"


@pytest.mark.parametrize(
    "typed", ["ada", "+1 415-555-1234", "(415) 555", "1415", "011 1 415"]
)
def test_a_contact_is_found_by_the_start_of_its_name_or_number(browser, typed):
    ada()
    other = Contact.objects.create(name="Grace Hopper")
    ContactNumber.objects.create(contact=other, number="+442079460123")

    page = browser.get("/admin/caller/contact/", {"q": typed}).text

    assert "Ada Lovelace" in page
    assert "Grace Hopper" not in page


def test_contact_marked_do_not_call_is_not_called(browser, vendors):
    ada(do_not_call=True)

    page = browser.post("/dial/", {"number": "(415) 555-1234"}, follow=True)
    number_page = browser.get(f"{Call.objects.get().get_absolute_url()}number/")

    for text in (page.text, number_page.text):
        assert "Ada Lovelace is marked “do not call” (see the contact)." in text
        assert 'href="/dial/' not in text
    assert Call.objects.get().status == "refused"
    assert not vendors.calls


def test_calls_to_a_contact_use_their_keyword_list():
    clinic = Vocabulary.objects.create(name="Clinic")
    other = Vocabulary.objects.create(name="Other", is_default=True)
    ada(vocabulary=clinic)
    theirs = a_recording(
        call=a_call(other_number=NUMBER, status="completed"), sid="RE" + "1" * 32
    )
    others = a_recording(call=a_call(other_number="+14155559999"), sid="RE" + "2" * 32)

    assert start(theirs).vocabulary == clinic
    assert start(theirs, other).vocabulary == other
    assert start(others).vocabulary == other


def test_a_number_gets_a_name_on_its_page(browser):
    ada()
    call = a_call(other_number="+14155550000", status="completed")
    path = f"{call.get_absolute_url()}number/"

    page = browser.post(f"{path}name/", {"name": "  Ada \n Lovelace "}, follow=True)
    again = browser.post(f"{path}name/", {"name": "Somebody else"}, follow=True)
    empty = browser.post(f"{path}name/", {"name": " "}, follow=True)

    assert Contact.objects.get().numbers.count() == 2
    assert "Ada Lovelace" in page.text
    assert "somebody else gave this number a name" in again.text
    assert "Type a name" in empty.text


def test_the_page_of_a_number_has_all_its_calls_notes_and_tags(
    browser, operator, django_assert_max_num_queries
):
    for n in range(40):
        call = a_call(other_number=NUMBER, status="completed", requested_by=operator)
        a_transcript(
            "completed",
            recording=a_recording(call=call, sid=f"RE{n:032}"),
            text=f"Words {n}.",
            assemblyai_id=f"id{n}",
        )
        Note.objects.create(call=call, author=operator, text=f"Note {n}.")
    call.tags.add(Tag.objects.get_or_create_by_name("billing"))
    a_call(other_number="+14155559999", status="completed")
    DoNotCall.objects.create(number=NUMBER)
    path = f"{call.get_absolute_url()}number/"

    with django_assert_max_num_queries(18):
        first = browser.get(path).text
    last = browser.get(f"{path}?page=2").text

    assert first.count('class="call-row') == 30
    assert last.count('class="call-row') == 10
    assert "Words 39." in first
    assert "Note 39." in first
    assert "billing" in first
    assert "do-not-call list" in first
    assert "555-9999" not in first


CSV = """Name;Phone;Label
Grace Hopper;(415) 555-1299;office
Grace Hopper;+44 20 7946 0123;
Ada Lovelace;+1 415-555-1234;mobile
Somebody;4155551234;
Nobody;12;
;4155551200;
Grace Hopper;(415) 555-1299;
"""


def test_a_file_is_shown_before_it_is_imported(browser):
    ada()

    preview = upload(browser, CSV)
    nothing = Contact.objects.count()
    browser.post(
        IMPORT, {"content": preview.context["content"], "confirmed": "1"}, follow=True
    )
    again = upload(browser, CSV)

    shown = preview.context["preview"]
    assert (
        shown.new_count,
        shown.known_count,
        shown.moved_count,
        shown.wrong_count,
    ) == (2, 1, 0, 4)
    assert "The name is missing." in preview.text
    assert "An earlier line has this number." in preview.text
    assert nothing == 1
    grace = Contact.objects.get(name="Grace Hopper")
    assert [str(number) for number in grace.numbers.all()] == [
        "+1 415-555-1299",
        "+44 20 7946 0123",
    ]
    assert again.context["preview"].new_count == 0


def test_a_number_stays_with_its_contact(browser):
    ada()

    shown = files.import_contacts(b"name,number\nEve,4155551234\n")

    assert (shown.new_count, shown.moved_count) == (0, 1)
    assert shown.lines[0].detail == "Already belongs to Ada Lovelace. Not changed."
    assert ContactNumber.objects.get().contact.name == "Ada Lovelace"
    assert not Contact.objects.filter(name="Eve").exists()


def test_a_second_import_at_the_same_time_skips_what_the_first_has_stored():
    content = b"name,number\nAda Lovelace,4155551234\n"
    before = files.preview(content)
    files.import_contacts(content)
    after = files.preview(content)

    with patch.object(files, "preview", side_effect=[before, after]):
        second = files.import_contacts(content)

    assert (second.new_count, second.known_count) == (0, 1)
    assert Contact.objects.get().numbers.count() == 1


def test_a_file_that_is_nearly_too_large_can_be_imported_after_its_preview(browser):
    lines = f"Ada Lovelace,{NUMBER}\n" + f"{'x' * 49}\n" * 19_999

    preview = upload(browser, lines)
    # Browsers send the lines of a <textarea> with CRLF, which makes them longer.
    content = preview.context["content"].replace("\n", "\r\n")
    browser.post(IMPORT, {"content": content, "confirmed": "1"})

    assert len(content) > files.MAX_FILE_BYTES
    assert Contact.objects.get().name == "Ada Lovelace"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a\0b,1", "not a text file"),
        (b"a,1\n" * 30_000, "more than 20,000 lines"),
        (b"x" * 1_000_001, "larger than 1 MB"),
        (b'"a', "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained(browser, content, why):
    page = upload(browser, content)

    assert page.status_code == 200
    assert why in page.text
    assert not Contact.objects.exists()


def test_names_of_a_column_may_be_those_of_other_programs():
    google = "Phone 1 - Value,Name\n+14155551299,Grace Hopper\n"

    line = files.preview(google.encode()).lines[0]

    assert (line.name, line.number) == ("Grace Hopper", "+14155551299")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('"Smith, Robert ""Bob""","+1 415-555-1299"', 'Smith, Robert "Bob"'),
        ("Ada,'+1 415-555-1299,'mobile'", "Ada"),
        ("Müller, Hans;+1 415-555-1299", "Müller, Hans"),
        ("Ada; Countess\t+1 415-555-1299", "Ada; Countess"),
        ('"Lovelace; Ada", "+1 415-555-1299"', "Lovelace; Ada"),
        ("Full name;Phone;Type\nMüller, Hans;12;\nAda;4155551299;", "Ada"),
    ],
)
def test_the_delimiter_is_the_one_with_which_numbers_are_valid(text, name):
    *_, line = files.preview(text.encode()).lines

    assert (line.name, line.number, line.outcome) == (name, "+14155551299", files.NEW)


def test_a_file_costs_the_same_queries_however_long(django_assert_num_queries):
    lines = "".join(f"Name {n},+1415555{n:04}\n" for n in range(1000, 3000))

    with django_assert_num_queries(1):
        assert files.preview(lines.encode()).new_count == 2000


def test_tags_and_notes_of_a_call(browser, operator):
    call = a_call(status="completed")
    page = call.get_absolute_url()

    for tag in (" Billing ", "billing", "to do"):
        browser.post(f"{page}tags/", {"tag": tag})
    browser.post(f"{page}tags/", {"tag": "to do", "remove": "1"})
    refused = browser.post(f"{page}tags/", {"tag": "<b>"}, follow=True)
    for _ in range(2):  # a double click
        browser.post(f"{page}notes/", {"text": "Paid <today>.\nReally."})
    empty = browser.post(f"{page}notes/", {"text": " \0"}, follow=True)

    assert [tag.name for tag in call.tags.all()] == ["billing"]
    assert "only letters, digits, spaces, hyphens and underscores" in refused.text
    note = Note.objects.get()
    assert (note.text, note.author) == ("Paid <today>.\nReally.", operator)
    assert "The note is empty." in empty.text
    assert "Paid &lt;today&gt;.<br>Really." in empty.text


def test_a_line_break_in_a_note_counts_as_one_character_as_in_the_browser(browser):
    page = a_call(status="completed").get_absolute_url()

    browser.post(f"{page}notes/", {"text": "12345678\r\n" * 555 + "12345"})

    assert len(Note.objects.get().text) == 5000


def test_a_note_that_is_too_long_is_refused_and_can_be_shortened(browser):
    page = a_call(status="completed").get_absolute_url()

    refused = browser.post(f"{page}notes/", {"text": "<Long>" + "." * 5000})

    assert refused.status_code == 400
    assert "A note has at most 5,000 characters." in refused.text
    assert "&lt;Long&gt;" + "." * 5000 + "</textarea>" in refused.text
    assert not Note.objects.exists()


def test_calls_are_listed_by_their_tag(browser):
    tagged, other = (
        a_call(status="busy"),
        a_call(other_number="+14155559999", status="busy"),
    )
    tagged.tags.add(tag := Tag.objects.get_or_create_by_name("billing"))
    other.tags.add(Tag.objects.get_or_create_by_name("to do"))

    page = browser.get(f"/admin/caller/call/?tag={tag.pk}")

    assert list(page.context_data["cl"].result_list) == [tagged]
    assert "Tag: <b>billing</b>" in page.text


@pytest.mark.parametrize("group", ["Operators", "Supervisors"])
def test_a_note_is_deleted_by_its_author_or_a_supervisor(client, operator, group):
    call = a_call(status="completed")
    other = User.objects.create_user("other", is_staff=True)
    other.groups.add(Group.objects.get(name=group))
    client.force_login(other)
    theirs = Note.objects.create(call=call, author=operator, text="Theirs")
    mine = Note.objects.create(call=call, author=other, text="Mine")
    path = f"{call.get_absolute_url()}notes/"

    client.post(f"{path}{theirs.pk}/delete/")
    page = client.post(f"{path}{mine.pk}/delete/", follow=True)

    left = {"Operators": ["Theirs"], "Supervisors": []}[group]
    assert [note.text for note in Note.objects.all()] == left
    assert "The note was deleted." in page.text


def test_the_print_view_has_number_date_notice_and_words_with_times(browser):
    ada()
    call = a_call(
        other_number=NUMBER, status="completed", notice="This call is recorded."
    )
    words = [
        {"text": text, "start": at, "end": at + 400, "confidence": 0.9}
        for text, at in (("Please", 0), ("call.", 500), ("Thanks.", 65_000))
    ]
    transcript = a_transcript(
        "completed",
        recording=a_recording(call=call),
        text="Please call. Thanks.",
        words=words,
    )

    page = browser.get(f"/transcripts/{transcript.uuid}/print/").text

    for said in (
        *("Ada Lovelace", "+1 415-555-1234", "This call is recorded.", "Please call."),
        *("0:00", "1:05", "Thanks.", "as AssemblyAI wrote it"),
    ):
        assert said in page, said
    assert Transcript.objects.count() == 1
