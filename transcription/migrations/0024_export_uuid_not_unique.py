from uuid import uuid4

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("transcription", "0023_mistake_added_at"),
    ]

    operations = [
        migrations.AlterField(
            model_name="export",
            name="uuid",
            field=models.UUIDField(db_index=True, default=uuid4, editable=False),
        ),
    ]
