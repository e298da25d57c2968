"""`manage.py evaluate`: scores for a folder of recordings with correct texts."""

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from caller.models import Recording
from tests.caller.rows import a_call
from tests.data import load, wav
from tests.transcription.rows import JOB, TRANSCRIPT, answers_well
from transcription.management import recordings
from transcription.models import Transcript, Vocabulary

pytestmark = pytest.mark.django_db(transaction=True)

COMMAND = "transcription.management.commands.evaluate"
HEARD = load("assemblyai/completed")["text"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ward.wav").write_bytes(wav(1.0))
    (tmp_path / "ward.txt").write_text(f"{HEARD} Metoprolol.")
    return tmp_path


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(recordings, "POLL_SECONDS", 0)


def evaluate(folder, **options):
    out, err = StringIO(), StringIO()
    options.setdefault("yes", True)
    call_command("evaluate", folder, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def paid(vendors):
    return sum(
        call.request.method == "POST" and call.request.url == TRANSCRIPT
        for call in vendors.calls
    )


def test_evaluation_prints_a_table_and_repeating_it_costs_nothing(folder, vendors):
    Vocabulary.objects.create(name="Clinic", terms="metoprolol")
    answers_well(vendors)

    table, said = evaluate(folder, vocabulary="Clinic", model="universal-2")

    words = len(HEARD.split()) + 1
    assert f"1 of {words}" in table.splitlines()[1]
    assert "0 of 1" in table.splitlines()[-2]
    assert "1 recordings, 0.0 minutes, for universal-2: about $0.00" in said
    sent = json.loads(
        next(c.request.body for c in vendors.calls if c.request.url == TRANSCRIPT)
    )
    assert (sent["speech_models"], sent["keyterms_prompt"]) == (
        ["universal-2"],
        ["metoprolol"],
    )

    body, _ = evaluate(folder, vocabulary="Clinic", model="universal-2", json=True)
    assert json.loads(body)["total"]["words_wrong"] == 1
    assert paid(vendors) == 1


def test_the_cost_at_our_own_rate_is_in_the_currency_of_twilio(
    folder, vendors, settings
):
    settings.SPEECH_RATES = {"universal-2": Decimal("3600")}
    a_call(price=Decimal("0.1"), price_unit="EUR")
    answers_well(vendors)

    _, said = evaluate(folder, model="universal-2")

    assert "for universal-2: about 1.00 EUR." in said


def test_another_version_of_the_list_is_transcribed_anew(folder, vendors):
    clinic = Vocabulary.objects.create(name="Clinic", terms="metoprolol")
    answers_well(vendors)
    evaluate(folder, vocabulary="Clinic")
    clinic.terms = "aspirin"
    clinic.save()

    # The mock gives each job the same id, but ids must be unique. Rename the first.
    Transcript.objects.update(assemblyai_id="older")
    evaluate(folder, vocabulary="Clinic")

    assert paid(vendors) == 2


def test_evaluation_after_ctrl_c_reuses_started_transcripts(
    folder, vendors, monkeypatch
):
    answers_well(vendors)
    with monkeypatch.context() as stopped:

        def interrupt(self, rows):
            raise KeyboardInterrupt

        stopped.setattr(f"{COMMAND}.Command.wait_for", interrupt)
        with pytest.raises(SystemExit) as ended:
            evaluate(folder)
    assert ended.value.code == 130

    evaluate(folder)

    assert Transcript.objects.count() == 1
    assert paid(vendors) == 1


@pytest.mark.parametrize(
    ("file", "sentence"),
    [("ward.txt", "text is missing for ward.wav"), ("ward.wav", "has no pairs")],
)
def test_a_folder_without_pairs_is_refused(folder, file, sentence):
    (folder / file).unlink()

    with pytest.raises(CommandError, match=sentence):
        evaluate(folder)


def test_a_byte_order_mark_is_no_wrong_word(folder, vendors):
    (folder / "ward.txt").write_bytes(HEARD.encode("utf-8-sig"))
    answers_well(vendors)

    body, _ = evaluate(folder, json=True)

    assert json.loads(body)["total"]["words_wrong"] == 0


def test_a_text_that_is_not_utf_8_is_named(folder):
    (folder / "ward.txt").write_bytes("Grüße".encode("latin-1"))

    with pytest.raises(CommandError, match=r"ward\.txt: Save the file as UTF-8"):
        evaluate(folder)


@pytest.mark.parametrize("name", ["ward.txt", "ward.wav"])
def test_file_that_cannot_be_read_is_named(folder, name):
    (folder / name).unlink()
    (folder / name).mkdir()

    with pytest.raises(CommandError, match=f"{name} could not be read: Is a directory"):
        evaluate(folder)


def test_a_storage_that_cannot_be_written_is_named(folder, settings):
    settings.MEDIA_ROOT = folder / "ward.wav"

    with pytest.raises(CommandError, match="could not be stored or read: Not a dir"):
        evaluate(folder)
    assert not Recording.objects.exists()


def test_evaluation_requires_confirmation_before_paid_jobs(folder):
    with pytest.raises(CommandError, match="Add --yes"):
        evaluate(folder, yes=False)
    with pytest.raises(CommandError, match="No keyword list is called “Ward”"):
        evaluate(folder, vocabulary="Ward")
    assert not Transcript.objects.exists()


def test_a_failed_recording_is_named_and_left_out(folder, vendors):
    answers_well(vendors)
    vendors.replace("GET", JOB, json={"status": "error", "error": "Audio is broken"})

    with pytest.raises(CommandError, match="No recording was transcribed"):
        evaluate(folder)
