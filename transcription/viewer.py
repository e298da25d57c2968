"""Template context of a transcript with its player, on the call's page or in admin."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from caller.models import Call
from caller.recordings import waveform
from transcription.exports.formats import FORMATS
from transcription.models import Score, Transcript, Vocabulary
from transcription.presentation import DOUBTFUL_BELOW, clock, doubtful_words
from transcription.review.turns import (
    PageTurn,
    may_correct,
    speakers_of,
    turns_on_page,
)

# If the user wants it, the player skips pauses of at least SILENCE_MS. After a skip, it
# continues BEFORE_WORD_MS before the next word.
SILENCE_MS, BEFORE_WORD_MS = 2000, 400


def viewer_context(transcript: Transcript, user: Any) -> dict[str, Any]:
    """Return the template context of transcription/_viewer.html."""
    recording = transcript.recording
    loudness = recording.loudness()
    known = [loudness.get("seconds"), transcript.audio_seconds]
    seconds = next(filter(None, known), recording.duration_seconds or 0)
    turns = turns_on_page(transcript)
    speakers = speakers_of(transcript, turns)
    may_listen = user.has_perm("caller.view_recording")
    return {
        "transcript": transcript,
        "is_stored": bool(recording.audio),
        "deleted_at": recording.audio_deleted_at,
        "audio_url": recording.audio_url if may_listen and recording.audio else "",
        "outlines": waveform.outlines(loudness),
        "channels": channels_of(transcript, dict(speakers)),
        "talk": talk_time(turns, dict(speakers)),
        "wave_width": waveform.LEVELS,
        "seconds": seconds,
        # A sentence to show if there are no turns.
        "state": "" if turns else transcript.missing_text_reason,
        "turns": turns,
        "turn_data": [turn.data for turn in turns],
        "silences": silences(turns),
        "doubtful": [word for turn in turns for word in doubtful_words(turn.words)],
        "below": DOUBTFUL_BELOW,
        "may_correct": may_correct(user, transcript),
        "may_verify": user.has_perm("transcription.verify_transcript"),
        "may_transcribe": not recording.audio_deleted_at
        and user.has_perm("transcription.add_transcript"),
        "vocabularies": Vocabulary.objects.defer("terms", "custom_spellings"),
        "score": Score.objects.filter(transcript=transcript).first(),
        "speakers": speakers,
        "siblings": transcript.siblings().count(),
        "formats": FORMATS,
    }


def source_page(request: HttpRequest, transcript: Transcript) -> Call | Transcript:
    """Return the object to redirect to after a form: the call or the transcript.

    Forms on the call's page contain `from=call`. Other forms are on the transcript's
    page in admin.
    """
    call = transcript.recording.call
    return call if call and request.POST.get("from") == "call" else transcript


def silences(turns: list[PageTurn]) -> list[tuple[int, int]]:
    """Return the parts of pauses that the player can skip, as (start, end) in ms."""
    return [
        (start, end - BEFORE_WORD_MS)
        for start, end in gaps(turns)
        if end - start >= SILENCE_MS
    ]


def gaps(turns: list[PageTurn]) -> Iterator[tuple[int, int]]:
    """Yield the pauses before and between the words, as (start, end) in ms.

    The silence of one speaker while another one speaks is not a pause.
    """
    spoken = sorted((word.start, word.end) for turn in turns for word in turn.words)
    heard = 0
    for start, end in spoken:
        if start > heard:
            yield int(heard), int(start)
        heard = max(heard, end)


def channels_of(transcript: Transcript, names: dict[str, str]) -> list[tuple[str, str]]:
    """Return [("left", speaker), ("right", speaker)], or [] without two channels.

    names: {a speaker's original name: the current name}.
    """
    if transcript.recording.channels != 2:
        return []
    heard = transcript.channel_names or {"1": "Channel 1", "2": "Channel 2"}
    return [
        ("left", names.get(heard["1"], heard["1"])),
        ("right", names.get(heard["2"], heard["2"])),
    ]


@dataclass(frozen=True)
class TalkTime:
    """How long each speaker spoke.

    shares: (speaker, time such as `0:58`, percentage of the sum of all these times).
    """

    shares: list[tuple[str, str, int]]
    silence: str  # length of the longest pause, such as `0:05`


def talk_time(turns: list[PageTurn], names: dict[str, str]) -> TalkTime | None:
    """Sum up how long each speaker spoke.

    Return None for fewer than two speakers, or if all words together last 0 ms.
    names: {a speaker's original name: the current name}.
    """
    spoken: dict[str, float] = {}
    for turn in turns:
        for word in turn.words:
            length = max(0, word.end - word.start)
            name = names.get(word.speaker, word.speaker)
            spoken[name] = spoken.get(name, 0) + length
    total = sum(spoken.values())
    if len(spoken) < 2 or not total:
        return None
    longest = max((end - start for start, end in gaps(turns)), default=0)
    return TalkTime(
        [(name, clock(ms), round(100 * ms / total)) for name, ms in spoken.items()],
        clock(longest),
    )
