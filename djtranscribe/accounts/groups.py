"""Give the group Supervisors new permissions, for migrations."""

from typing import Any

from django.contrib.auth.management import create_permissions
from django.db import migrations


def permit(label: str, *codenames: str) -> migrations.RunPython:
    def forwards(apps: Any, schema_editor: Any) -> None:
        # Django creates permissions after all migrations; here they are needed now.
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
        # The site may have deleted or renamed the group.
        Group = apps.get_model("auth", "Group")
        for group in Group.objects.filter(name="Supervisors"):
            permissions = apps.get_model("auth", "Permission").objects.filter(
                codename__in=codenames, content_type__app_label=label
            )
            group.permissions.add(*permissions)

    # Leave the groups when migrating back: they may have members.
    return migrations.RunPython(forwards, migrations.RunPython.noop)
