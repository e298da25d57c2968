"""Give the group Supervisors new permissions, for migrations."""

from typing import Any

from django.contrib.auth.management import create_permissions
from django.db import migrations


def permit(label: str, *codenames: str) -> migrations.RunPython:
    def forwards(apps: Any, schema_editor: Any) -> None:
        # Django makes permissions after the last migration; here they are needed now.
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
        # A group that the site has deleted or renamed since is its own business.
        Group = apps.get_model("auth", "Group")
        for group in Group.objects.filter(name="Supervisors"):
            permissions = apps.get_model("auth", "Permission").objects.filter(
                codename__in=codenames, content_type__app_label=label
            )
            group.permissions.add(*permissions)

    # Groups may have members by the time somebody goes back: they are left alone.
    return migrations.RunPython(forwards, migrations.RunPython.noop)
