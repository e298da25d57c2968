"""A table for Django's cache, in which django-allauth counts attempts to log in."""

from typing import Any

from django.core.management import call_command
from django.db import migrations

TABLE = "djtranscribe_cache"


def create_table(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    call_command("createcachetable", TABLE, database=alias, verbosity=0)


class Migration(migrations.Migration):

    dependencies = [("djtranscribe", "0010_sessions")]

    operations = [migrations.RunPython(create_table, migrations.RunPython.noop)]
