from django.db import migrations

from djtranscribe.accounts.groups import permit


class Migration(migrations.Migration):
    dependencies = [
        ("djtranscribe", "0002_groups"),
        ("transcription", "0003_notification"),
    ]

    # The permission "change" only allows "Send again": no form edits a notification.
    operations = [permit("transcription", "view_notification", "change_notification")]
