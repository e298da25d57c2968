from typing import Any

from django.contrib.auth.management import create_permissions
from django.db import migrations


def permit(apps: Any, schema_editor: Any) -> None:
    # Django makes permissions after the last migration; here they are needed before.
    config = apps.get_app_config("transcription")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    # One that the site has deleted or renamed since is its own business.
    group = apps.get_model("auth", "Group").objects.filter(name="Supervisors").first()
    if group:
        # Change is "Send again": no form edits a notification.
        permissions = apps.get_model("auth", "Permission").objects.filter(
            codename__in=["view_notification", "change_notification"],
            content_type__app_label="transcription",
        )
        group.permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("djtranscribe", "0002_groups"),
        ("transcription", "0003_notification"),
    ]

    # Groups may have members by the time somebody goes back: they are left alone.
    operations = [migrations.RunPython(permit, migrations.RunPython.noop)]
