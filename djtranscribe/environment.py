"""Read settings from the environment. Wrong values raise ImproperlyConfigured."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from importlib.util import find_spec

from django.core.exceptions import ImproperlyConfigured

from djtranscribe.digits import whole_number


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def comma_separated(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def integer(name: str, default: int, least: int = 1) -> int:
    value = whole_number(text(name, str(default)), 18)
    if value is None or value < least:
        raise ImproperlyConfigured(f"{name} must be a whole number, {least} or more.")
    return value


def decimal(name: str, default: str) -> Decimal:
    value = text(name, default)
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,2})?", value):
        raise ImproperlyConfigured(f"{name} must be an amount such as 25 or 25.50.")
    return Decimal(value)


def rates(name: str) -> dict[str, Decimal]:
    """Return {model: price of an hour} from a value such as `universal-2=0.15`."""
    found = {}
    for pair in comma_separated(name):
        model, _, price = pair.partition("=")
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,5})?", price.strip()):
            raise ImproperlyConfigured(
                f"{name} must be a list of prices, such as "
                "universal-2=0.15,other-model=0.20."
            )
        found[model.strip()] = Decimal(price.strip())
    return found


def require_package(name: str, package: str, requirements: str) -> None:
    """Raise ImproperlyConfigured if the package for this setting is not installed."""
    if find_spec(package) is None:
        raise ImproperlyConfigured(
            f"{name} needs more packages. Run: pip install -r {requirements}"
        )


@contextmanager
def refuse_invalid_url(name: str, example: str) -> Iterator[None]:
    """Raise ImproperlyConfigured if the `with` block cannot parse the URL (ValueError).

    name: the setting. Neither the message nor the traceback shows the URL, which may
    contain a password.
    """
    try:
        yield
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} must be a URL such as {example}. In the password, write special "
            "characters as percent codes: %2F for /, %3F for ?, %23 for #."
        ) from None


def one_of(name: str, *choices: str) -> str:
    """Return a setting, one of `choices`. The first choice is the default."""
    value = text(name, choices[0]).lower()
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of: {', '.join(choices)}.")
    return value


def boolean(name: str) -> bool:
    value = text(name).lower()
    if value not in {"", "0", "1", "false", "true", "no", "yes", "off", "on"}:
        raise ImproperlyConfigured(f"{name} must be true or false.")
    return value in {"1", "true", "yes", "on"}
