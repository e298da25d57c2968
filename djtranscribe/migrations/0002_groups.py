from typing import Any

from django.contrib.auth.management import create_permissions
from django.db import migrations

OPERATORS = [
    "add_call",
    "view_call",
    "view_recording",
    "view_transcript",
    "view_vocabulary",
]
SUPERVISORS = [
    *OPERATORS,
    "delete_call",
    "view_donotcall",
    "add_donotcall",
    "change_donotcall",
    "delete_donotcall",
    "delete_recording",
    "add_transcript",
    "delete_transcript",
    "add_vocabulary",
    "change_vocabulary",
    "delete_vocabulary",
    "view_access",
    "view_webhookdelivery",
    "change_webhookdelivery",
    "view_vendorpause",
    "change_vendorpause",
]
APPS = ["djtranscribe", "caller", "transcription"]


def make_groups(apps: Any, schema_editor: Any) -> None:
    # Django creates permissions only after all migrations. We need them now.
    for label in APPS:
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    for name, codenames in {"Operators": OPERATORS, "Supervisors": SUPERVISORS}.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(
            *Permission.objects.filter(
                codename__in=codenames, content_type__app_label__in=APPS
            )
        )


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("djtranscribe", "0001_initial"),
        ("caller", "0002_initial"),
        ("transcription", "0001_initial"),
    ]

    # Migrating back leaves the groups as they are, because they may have members.
    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
