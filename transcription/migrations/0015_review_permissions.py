from django.db import migrations

from djtranscribe.accounts.groups import permit


class Migration(migrations.Migration):
    dependencies = [
        ("djtranscribe", "0002_groups"),
        ("transcription", "0014_review"),
    ]

    operations = [
        permit(
            "transcription",
            "correct_transcript",
            groups=("Operators", "Supervisors"),
        ),
        permit("transcription", "verify_transcript"),
    ]
