from django.db import migrations

from djtranscribe.accounts.groups import permit


class Migration(migrations.Migration):
    dependencies = [
        ("djtranscribe", "0002_groups"),
        ("caller", "0014_costs"),
    ]

    operations = [permit("caller", "view_costs")]
