"""Wake the workers when there is work, see djtranscribe/worker/waking.py."""

from typing import Any

from django.db import migrations

TRIGGERS = {
    "django_tasks_database_dbtaskresult": "INSERT",
    "transcription_notification": "INSERT",
    "transcription_batch": "INSERT OR UPDATE OF is_undoing",
}
FUNCTION = """
CREATE OR REPLACE FUNCTION djtranscribe_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('djtranscribe', TG_TABLE_NAME);
    RETURN NULL;
END
$$
"""


def create(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FUNCTION)
        for table, events in TRIGGERS.items():
            schema_editor.execute(
                f"CREATE TRIGGER djtranscribe_wake AFTER {events} ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION djtranscribe_wake()"
            )


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION djtranscribe_wake() CASCADE")


class Migration(migrations.Migration):
    dependencies = [
        ("djtranscribe", "0008_access_of_reviews"),
        ("django_tasks_database", "0001_initial"),
        ("transcription", "0016_channel_names"),
    ]

    operations = [migrations.RunPython(create, drop)]
