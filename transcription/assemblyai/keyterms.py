"""AssemblyAI's rules for keyword lists.

assemblyai.com/docs/pre-recorded-audio, `keyterms_prompt` and `custom_spelling`.
"""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.template.defaultfilters import pluralize

from transcription.assemblyai.speech_models import MODELS

# Limits for all models. speech_models.py has the limits of single models.
MAX_WORDS_IN_A_TERM = 6
MAX_WORDS = 1000
MAX_PROMPT_WORDS = 1500


def terms_of(text: str) -> list[str]:
    """Return the terms of a text with one term per line, without duplicates."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line))


def words_in(terms: list[str]) -> int:
    return sum(len(term.split()) for term in terms)


def validate_terms(text: str) -> None:
    terms = terms_of(text)
    errors = [
        f"“{term}” has {len(term.split())} words; a term has at most "
        f"{MAX_WORDS_IN_A_TERM}."
        for term in terms
        if len(term.split()) > MAX_WORDS_IN_A_TERM
    ]
    words = words_in(terms)
    if words > MAX_WORDS:
        errors.append(
            f"The list has {words} words; AssemblyAI takes at most {MAX_WORDS:,}, and "
            "each word of a term counts."
        )
    if errors:
        raise ValidationError(errors)


def warnings_for(text: str) -> list[str]:
    """Return sentences that say which of SPEECH_MODELS would ignore terms, and why."""
    terms = terms_of(text)
    warnings = []
    for position, name in enumerate(settings.SPEECH_MODELS):
        model = MODELS.get(name)
        if not model:
            continue
        who = f"{name}, {'the fallback' if position else 'the first'} model,"
        length = model.term_length
        ignored = [term for term in terms if length and len(term) not in length]
        if length and ignored:
            names = ", ".join(ignored[:5]) + (", …" if len(ignored) > 5 else "")
            warnings.append(
                f"{who} ignores terms under {length[0]} or over {length[-1]} "
                f"characters: {names}"
            )
        if model.keyterms is not None and len(terms) > model.keyterms:
            warnings.append(
                f"{who} takes at most {model.keyterms} terms; this list has "
                f"{len(terms)}."
            )
    return warnings


def spellings_of(text: str) -> list[dict[str, list[str] | str]]:
    """Turn lines such as `kubernetes, k 8 s = Kubernetes` into `custom_spelling`.

    Raises ValidationError, which quotes the first line that is not valid.
    """
    spellings: list[dict[str, list[str] | str]] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        heard, equals, written = (part.strip() for part in line.partition("="))
        heard_as = [" ".join(way.split()) for way in heard.split(",") if way.strip()]
        if not (equals and heard_as and written):
            raise ValidationError(
                f"“{line}” is not a valid spelling. Write: heard = written. Example: "
                "k 8 s, kubernetes = Kubernetes"
            )
        if len(written.split()) > 1:
            raise ValidationError(
                f"“{line}”: only one word may stand after the equals sign. AssemblyAI "
                "does not accept more."
            )
        spellings.append({"from": heard_as, "to": written})
    return spellings


def validate_spellings(text: str) -> None:
    spellings_of(text)


def validate_prompt(text: str) -> None:
    words = len(text.split())
    if words > MAX_PROMPT_WORDS:
        raise ValidationError(
            f"The context has {words:,} words; AssemblyAI takes at most "
            f"{MAX_PROMPT_WORDS:,}."
        )


def count_of(text: str) -> str:
    """Return a text such as "3 terms, 5 of at most 1,000 words" for a keyword list."""
    terms = terms_of(text)
    words = words_in(terms)
    return (
        f"{len(terms)} term{pluralize(terms)}, {words} of at most {MAX_WORDS:,} words"
    )
