import json
from contextlib import suppress
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from djtranscribe.digits import is_key
from transcription.models import Transcript
from transcription.review.current import is_edited, words_of


class Command(BaseCommand):
    help = "Print a stored transcript. Sends no requests to vendors."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "id",
            help="The transcript's primary key, its UUID, or its AssemblyAI ID.",
        )
        form = parser.add_mutually_exclusive_group()
        form.add_argument(
            "--json",
            action="store_true",
            help="AssemblyAI's response as JSON, with the current text and words.",
        )
        form.add_argument(
            "--words",
            action="store_true",
            help="One word per line: start and end (ms), confidence, word (tabs).",
        )

    def handle(self, *, id: str, **options: Any) -> None:
        transcript = find(id)
        if not transcript.is_finished:
            raise CommandError(
                f"Transcript {transcript.pk} is not finished: {transcript.progress}"
            )
        if transcript.is_failed:
            raise CommandError(f"Transcript {transcript.pk}: {transcript.error}")
        if options["json"]:
            answer = {**(transcript.response or {}), "text": transcript.text}
            answer["words"] = transcript.words
            if is_edited(transcript):
                keys = ("text", "start", "end", "confidence", "speaker")
                answer["words"] = [
                    {key: getattr(word, key) for key in keys}
                    for word in words_of(transcript)
                ]
            self.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False))
        elif options["words"]:
            for word in words_of(transcript):
                sure = "" if word.confidence is None else word.confidence
                self.stdout.write(f"{word.start}\t{word.end}\t{sure}\t{word.text}")
        elif transcript.nobody_spoke:
            self.stderr.write("Nobody spoke: the transcript is empty.")
        else:
            self.stdout.write(transcript.text)


def find(name: str) -> Transcript:
    wanted = Q(pk=int(name)) if is_key(name) else Q(assemblyai_id=name)
    found = Transcript.objects.filter(wanted).first()
    if found is None and not is_key(name):
        with suppress(ValidationError):
            found = Transcript.objects.filter(uuid=name).first()
    if found is None:
        raise CommandError(f"There is no transcript {name}.")
    return found
