"""Set `country_code` in calls that were made before this column existed."""

from typing import Any

from django.db import migrations

from caller.number_facts import country_code

ROWS_AT_ONCE = 2_000


def fill(apps: Any, schema_editor: Any) -> None:
    Call = apps.get_model("caller", "Call")
    last = 0
    # Go through the rows by key, because some numbers have no known country. A filter on
    # an empty `country_code` would read their rows again and again.
    while batch := list(
        Call.objects.filter(pk__gt=last)
        .order_by("pk")
        .values_list("pk", "to")[:ROWS_AT_ONCE]
    ):
        last = batch[-1][0]
        of_country: dict[str, list[int]] = {}
        for pk, to in batch:
            of_country.setdefault(country_code(to), []).append(pk)
        for code, keys in of_country.items():
            Call.objects.filter(pk__in=keys, country_code="").update(country_code=code)


class Migration(migrations.Migration):
    # Commit each batch separately, so that no request waits for the whole table.
    atomic = False

    dependencies = [("caller", "0003_country_code")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
