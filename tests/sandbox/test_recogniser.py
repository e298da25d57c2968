"""How well the sandbox recognises speech, and whether wrong words have low confidence.

The tests use the sandbox's clips. If Debian's pocketsphinx-testdata is installed, they
also use five sentences of LibriVox readers, converted to telephone quality.
"""

import json
import re
from array import array
from difflib import SequenceMatcher
from pathlib import Path

import av
import jiwer
import pytest

from sandbox.assemblyai import moonshine, recogniser
from sandbox.twilio import audio

OPERATOR = Path(audio.__file__).parents[1] / "operator.json"
LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
LINE = re.compile(r"(?P<said>.*) \((?P<name>.*)\)")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not moonshine.is_installed(), reason="Moonshine has no wheel for this machine"
    ),
]


def plain(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", re.sub(r"</?s>", "", text).lower())


def clips() -> list[tuple[str, Path]]:
    return [
        (audio.said(name), audio.CLIPS / f"{name}.wav") for name in audio.clip_names()
    ]


def readers(folder: Path) -> list[tuple[str, Path]]:
    """Return LibriVox sentences and their files in telephone quality: 8 kHz, mu-law."""
    found = []
    for line in (LIBRIVOX / "transcription").read_text().splitlines():
        match = LINE.fullmatch(line.strip())
        assert match
        path = folder / f"{match['name']}.wav"
        through_a_telephone(LIBRIVOX / f"{match['name']}.wav", path)
        found.append((match["said"], path))
    return found


def through_a_telephone(source: Path, target: Path) -> None:
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = written.add_stream("pcm_mulaw", rate=8000, layout="mono")
        resampler = av.AudioResampler("s16", "mono", 8000)
        for frame in [*read.decode(audio=0), None]:
            for part in resampler.resample(frame):
                part.pts = None
                written.mux(stream.encode(part))
        written.mux(stream.encode(None))


def heard_in(said: str, path: Path) -> tuple[list[str], list[tuple[float, bool]], int]:
    """Recognise a file. Return three results:

    - the words
    - for each word, its confidence and whether it is right
    - the number of mistakes
    """
    words = recogniser.recognise(path, {})["words"]
    texts = [moonshine.bare(word["text"]) for word in words]
    right = [False] * len(texts)
    matcher = SequenceMatcher(None, texts, plain(said), autojunk=False)
    for block in matcher.get_matching_blocks():
        for number in range(block.a, block.a + block.size):
            right[number] = True
    starts = [word["start"] for word in words]
    assert starts == sorted(starts)
    counts = jiwer.process_words(" ".join(plain(said)), " ".join(texts))
    wrong = counts.substitutions + counts.deletions + counts.insertions
    sure = [
        (word["confidence"], is_right)
        for word, is_right in zip(words, right, strict=True)
    ]
    return texts, sure, wrong


def area_under_curve(sure: list[tuple[float, bool]]) -> float:
    """Return the probability that a right word has more confidence than a wrong one."""
    right = [confidence for confidence, is_right in sure if is_right]
    wrong = [confidence for confidence, is_right in sure if not is_right]
    wins = sum((a > b) + (a == b) / 2 for a in right for b in wrong)
    return wins / (len(right) * len(wrong))


def test_error_rate_is_low_and_wrong_words_have_low_confidence(tmp_path):
    sets = {"clips": clips()}
    if LIBRIVOX.is_dir():
        sets["LibriVox by telephone"] = readers(tmp_path)
    most = {"clips": 0.05, "LibriVox by telephone": 0.155}

    sure: list[tuple[float, bool]] = []
    for name, sentences in sets.items():
        found = [heard_in(*each) for each in sentences]
        count = sum(len(plain(said)) for said, _ in sentences)
        rate = sum(wrong for *_, wrong in found) / count
        print(f"\n{name}: word error rate {rate:.3f} of {count} words")
        assert rate <= most[name]
        sure += [each for _, known, _ in found for each in known]
    area = area_under_curve(sure)
    print(f"AUC of the confidence: {area:.2f}")
    assert area >= 0.75


@pytest.mark.parametrize("other", ["clinic", "front-desk", "machine-shop"])
def test_unrelated_keyword_list_does_not_change_the_text(other):
    terms = [line for line in plain(audio.said(f"terms/{other}")) if len(line) > 7]
    path = audio.CLIPS / f"{audio.clip_names()[0]}.wav"

    with_list = recogniser.recognise(path, {"keyterms_prompt": terms})

    without = recogniser.recognise(path, {})
    texts = [[word["text"] for word in each["words"]] for each in (with_list, without)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ["Front desk", "Machine shop"])
def test_keyword_list_makes_its_terms_right(name):
    rows = json.loads(OPERATOR.read_text())
    [terms] = [
        row["fields"]["terms"].splitlines()
        for row in rows
        if row["fields"].get("name") == name
    ]
    clip = f"terms/{name.lower().replace(' ', '-')}"
    said = plain(audio.said(clip))

    terms_right, words_wrong = [], []
    for options in ({}, {"keyterms_prompt": terms}):
        words = recogniser.recognise(audio.CLIPS / f"{clip}.wav", options)["words"]
        heard = " ".join(plain(" ".join(word["text"] for word in words)))
        terms_right.append(sum(term.lower() in heard for term in terms))
        words_wrong.append(jiwer.wer(" ".join(said), heard) * len(said))

    print(f"\n{name}: terms right {terms_right} of {len(terms)}, wrong {words_wrong}")
    assert words_wrong[1] <= words_wrong[0] / 3
    assert terms_right[1] >= len(terms) - 1 > terms_right[0]


def test_keyword_list_inserts_terms_but_no_other_words():
    def words(*texts: str) -> list[dict]:
        sure = {"start": 0, "end": 0, "confidence": 1.0}
        return [{**sure, "text": text, "is_term": text == "Acme"} for text in texts]

    found = moonshine._with_terms(
        words("please", "call"), words("please", "uh", "call", "Acme")
    )

    assert [word["text"] for word in found] == ["please", "call", "Acme"]


def test_silence_has_no_words(tmp_path):
    path = tmp_path / "silence.wav"
    path.write_bytes(audio.render([[]], 3.0, 1))

    assert recogniser.recognise(path, {})["words"] == []


def test_long_speech_is_cut_in_its_pauses(tmp_path):
    """Recognise over a minute of clips in a row. No word may be lost at a cut."""
    track: audio.Track = []
    said: list[str] = []
    at = 0.0
    while at < 75:
        for name in audio.clip_names():
            track.append((at, array("h", audio.samples(name))))
            said += plain(audio.said(name))
            at += audio.speech_seconds(name) + 0.4
    path = tmp_path / "long.wav"
    path.write_bytes(audio.render([track], at, 1))

    words = recogniser.recognise(path, {})["words"]

    texts = [moonshine.bare(word["text"]) for word in words]
    assert jiwer.wer(" ".join(said), " ".join(texts)) <= 0.1


def test_pocketsphinx_works_without_moonshine(monkeypatch):
    monkeypatch.setattr(moonshine, "is_installed", lambda: False)
    name = audio.clip_names()[0]

    found = recogniser.recognise(audio.CLIPS / f"{name}.wav", {})

    assert not found["is_written"]
    texts = [word["text"] for word in found["words"]]
    assert jiwer.wer(" ".join(plain(audio.said(name))), " ".join(texts)) <= 0.1
    assert all(0 < word["confidence"] <= 1 for word in found["words"])
