"""Save only the changed columns of a row. Without a change, save nothing."""

from typing import Any

from django.db import models

from djtranscribe.statements import update


def snapshot(row: models.Model) -> dict[str, Any]:
    """Return the attributes of the row as they are now, for a later `save_changes`."""
    return vars(row).copy()


def save_changes(row: models.Model, before: dict[str, Any]) -> None:
    """Save the columns that differ from `before`, a result of `snapshot`.

    Unlike `row.save()`, send no signals, and do nothing if the row was deleted.
    """
    now = vars(row)
    names = [field.attname for field in row._meta.concrete_fields]
    changed = {
        name: now.get(name) for name in names if now.get(name) != before.get(name)
    }
    if changed:
        update(type(row), {"id": row.pk}, changed)
