from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("transcription", "0022_batch_undone_by"),
    ]

    operations = [
        migrations.AddField(
            model_name="mistake",
            name="added_at",
            field=models.DateTimeField(null=True),
        ),
    ]
