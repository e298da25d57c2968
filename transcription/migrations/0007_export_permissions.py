from django.db import migrations

from djtranscribe.accounts.groups import permit


class Migration(migrations.Migration):
    dependencies = [
        ("djtranscribe", "0002_groups"),
        ("transcription", "0006_export"),
    ]

    operations = [permit("transcription", "view_export")]
