"""Save only the changed columns of a row. Without a change, save nothing."""

from typing import Any

from django.db import models


def columns(row: models.Model) -> dict[str, Any]:
    """Return the values of the loaded columns, for a later `save_changes`."""
    values = vars(row)
    names = [field.attname for field in row._meta.concrete_fields]
    return {name: values[name] for name in names if name in values}


def save_changes(row: models.Model, before: dict[str, Any]) -> None:
    """Save the columns that differ from `before`, a result of `columns`."""
    now = columns(row)
    changed = [name for name in now if now[name] != before.get(name)]
    if changed:
        row.save(update_fields=changed)
