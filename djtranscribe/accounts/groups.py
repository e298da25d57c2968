"""Helper for migrations that give new permissions to groups."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.management import create_permissions
from django.db import migrations


def permit(
    label: str, *codenames: str, groups: Sequence[str] = ("Supervisors",)
) -> migrations.RunPython:
    def forwards(apps: Any, schema_editor: Any) -> None:
        # Django creates permissions only after all migrations. We need them now.
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
        # Skip groups that do not exist: this site may have deleted or renamed them.
        Group = apps.get_model("auth", "Group")
        for group in Group.objects.filter(name__in=groups):
            permissions = apps.get_model("auth", "Permission").objects.filter(
                codename__in=codenames, content_type__app_label=label
            )
            group.permissions.add(*permissions)

    # Migrating back leaves the groups as they are. They may have members who use the
    # permissions.
    return migrations.RunPython(forwards, migrations.RunPython.noop)
