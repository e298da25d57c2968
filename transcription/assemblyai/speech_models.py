"""AssemblyAI's speech models: prices, and which are deprecated or refused.

MODELS is used only for warnings, the command `doctor` and costs. SPEECH_MODELS may
contain other models, because AssemblyAI decides which models it accepts.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.conf import settings

SOURCE = "https://www.assemblyai.com/docs/speech-to-text/models"
# On this day, MODELS was last compared with AssemblyAI's documents. Change the date
# when you change MODELS.
CHECKED_ON = date(2026, 11, 26)


@dataclass(frozen=True)
class SpeechModel:
    """What we know about one model.

    replaced_by: the model to use instead, or "" if this model is not deprecated.
    is_refused: whether AssemblyAI answers HTTP 400 to a request with this model.
    keyterms: how many terms the model uses. None: only the limits of keyterms.py apply.
    term_length: number of characters. The model ignores shorter and longer terms.
    dollars_an_hour: list price of an hour of audio, or None if we do not know it.
    """

    replaced_by: str = ""
    is_refused: bool = False
    keyterms: int | None = None
    term_length: range | None = None
    dollars_an_hour: float | None = None


NEWEST = "assemblyai-stt-3-7"
MODELS = {
    # AssemblyAI publishes no term limits for this model. keyterms.py has limits for all
    # models.
    NEWEST: SpeechModel(),
    "universal-2": SpeechModel(
        keyterms=200, term_length=range(5, 51), dollars_an_hour=0.15
    ),
    "universal-3-5-pro": SpeechModel(replaced_by=NEWEST, dollars_an_hour=0.21),
    "universal-3-pro": SpeechModel(replaced_by=NEWEST, is_refused=True),
    "slam-1": SpeechModel(replaced_by=NEWEST),
    "best": SpeechModel(replaced_by=NEWEST),
    "universal": SpeechModel(replaced_by="universal-2"),
    "nano": SpeechModel(replaced_by="universal-2", is_refused=True),
}


# For a model whose price we do not know, we use the price of the most expensive model.
HIGHEST_PRICE = max(model.dollars_an_hour or 0 for model in MODELS.values())


def cost(name: str, seconds: float | None) -> Decimal:
    """Return the price of `seconds` of audio with the model `name`, without extras.

    The price is in dollars. But a price from SPEECH_RATES is in the currency of the
    Twilio account. Silence costs the same as speech. Extras are features such as
    medical mode. See assemblyai.com/docs/billing-and-pricing
    """
    model = MODELS.get(name)
    listed = (model and model.dollars_an_hour) or HIGHEST_PRICE
    rate = settings.SPEECH_RATES.get(name, Decimal(str(listed)))
    return (Decimal(str(seconds or 0)) / 3600 * rate).quantize(Decimal("0.00001"))


def describe_outdated(names: list[str]) -> list[str]:
    """Return a sentence for each model in `names` that is deprecated or refused."""
    sentences = []
    for name in names:
        model = MODELS.get(name)
        if model and model.replaced_by:
            state = "is refused by AssemblyAI" if model.is_refused else "is deprecated"
            sentences.append(f"{name} {state}: use {model.replaced_by}.")
    return sentences


def summary(names: list[str]) -> str:
    """Return a text that lists the models, and says when MODELS was last checked."""
    unlisted = [name for name in names if name not in MODELS]
    unknown = f" Not in our list: {', '.join(unlisted)}." if unlisted else ""
    return (
        f"models {', '.join(names)}.{unknown} "
        f"List of models checked against {SOURCE} on {CHECKED_ON.isoformat()}"
    )
