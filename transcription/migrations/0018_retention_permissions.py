from django.db import migrations

from djtranscribe.accounts.groups import permit


class Migration(migrations.Migration):
    dependencies = [
        ("djtranscribe", "0002_groups"),
        ("transcription", "0017_retention"),
    ]

    operations = [permit("transcription", "view_deletion", "erase_person")]
