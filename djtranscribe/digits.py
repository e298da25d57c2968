"""Whole numbers in text from outside, such as a parameter or a header."""


def whole_number(text: str, max_digits: int) -> int | None:
    """Return the number. Return None unless the text has 1 to `max_digits` digits."""
    # int() alone accepts signs and non-ASCII digits, and fails for thousands of digits.
    is_number = text.isascii() and text.isdigit() and len(text) <= max_digits
    return int(text) if is_number else None


def is_key(text: str) -> bool:
    """Return whether this can be a primary key: digits that fit into the column."""
    return whole_number(text, 18) is not None
