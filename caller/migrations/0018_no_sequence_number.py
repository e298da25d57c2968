from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("caller", "0017_plainer_labels"),
    ]

    operations = [
        migrations.RemoveField("call", "sequence_number"),
        migrations.RemoveField("leg", "sequence_number"),
    ]
