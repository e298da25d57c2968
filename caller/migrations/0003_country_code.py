from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('caller', '0002_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='call',
            name='country_code',
            field=models.CharField(blank=True, default='', editable=False, max_length=3, verbose_name='country'),
        ),
    ]
