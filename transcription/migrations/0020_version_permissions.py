from django.db import migrations

from djtranscribe.accounts.groups import permit


class Migration(migrations.Migration):
    dependencies = [
        ("djtranscribe", "0002_groups"),
        ("transcription", "0019_plainer_texts"),
    ]

    operations = [permit("transcription", "view_vocabularyversion")]
