"""AssemblyAI's rules for keyword lists.

assemblyai.com/docs/pre-recorded-audio, `keyterms_prompt` and `custom_spelling`.
"""

from django.core.exceptions import ValidationError

MAX_WORDS_IN_A_TERM = 6
MAX_WORDS = 1000
# What universal-2, the fallback, takes; it ignores the rest without a word.
FALLBACK_TERMS = 200
FALLBACK_LENGTH = range(5, 51)


def terms_of(text: str) -> list[str]:
    """The terms, one a line, without blanks and repetitions, in their order."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line))


def validate_terms(text: str) -> None:
    terms = terms_of(text)
    errors = [
        f"“{term}” has {len(term.split())} words; a term has at most "
        f"{MAX_WORDS_IN_A_TERM}."
        for term in terms
        if len(term.split()) > MAX_WORDS_IN_A_TERM
    ]
    words = sum(len(term.split()) for term in terms)
    if words > MAX_WORDS:
        errors.append(
            f"The list has {words} words; AssemblyAI takes at most {MAX_WORDS:,}, and "
            "each word of a term counts."
        )
    if errors:
        raise ValidationError(errors)


def warnings_for(text: str) -> list[str]:
    """What is allowed and yet does not do what the operator may expect."""
    terms = terms_of(text)
    warnings = []
    ignored = [term for term in terms if len(term) not in FALLBACK_LENGTH]
    if ignored:
        names = ", ".join(ignored[:5]) + (", …" if len(ignored) > 5 else "")
        warnings.append(
            f"universal-2, the fallback model, ignores terms under "
            f"{FALLBACK_LENGTH[0]} or over {FALLBACK_LENGTH[-1]} characters: {names}"
        )
    if len(terms) > FALLBACK_TERMS:
        warnings.append(
            f"universal-2, the fallback model, takes at most {FALLBACK_TERMS} terms; "
            f"this list has {len(terms)}."
        )
    return warnings


def spellings_of(text: str) -> list[dict[str, list[str] | str]]:
    """`kubernetes, k 8 s = Kubernetes`, one a line -> AssemblyAI's custom_spelling.

    Raises ValidationError with the line that cannot be read.
    """
    spellings: list[dict[str, list[str] | str]] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        heard, equals, written = (part.strip() for part in line.partition("="))
        heard_as = [" ".join(way.split()) for way in heard.split(",") if way.strip()]
        if not (equals and heard_as and written):
            raise ValidationError(
                f"“{line}”: write what is heard, an equals sign, what shall be "
                "written: k 8 s, kubernetes = Kubernetes"
            )
        if len(written.split()) > 1:
            raise ValidationError(
                f"“{line}”: what shall be written must be one word; AssemblyAI takes "
                "no more."
            )
        spellings.append({"from": heard_as, "to": written})
    return spellings


def validate_spellings(text: str) -> None:
    spellings_of(text)
