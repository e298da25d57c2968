"""Give groups new permissions, for migrations."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.management import create_permissions
from django.db import migrations


def permit(
    label: str, *codenames: str, groups: Sequence[str] = ("Supervisors",)
) -> migrations.RunPython:
    def forwards(apps: Any, schema_editor: Any) -> None:
        # Django creates permissions after all migrations; here they are needed now.
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
        # The site may have deleted or renamed them.
        Group = apps.get_model("auth", "Group")
        for group in Group.objects.filter(name__in=groups):
            permissions = apps.get_model("auth", "Permission").objects.filter(
                codename__in=codenames, content_type__app_label=label
            )
            group.permissions.add(*permissions)

    # Leave the groups when migrating back: they may have members.
    return migrations.RunPython(forwards, migrations.RunPython.noop)
