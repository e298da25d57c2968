from django.db import migrations

from djtranscribe.accounts.groups import permit

EVERYBODY = ("Operators", "Supervisors")


class Migration(migrations.Migration):
    dependencies = [
        ("djtranscribe", "0002_groups"),
        ("caller", "0010_contacts_and_notes"),
    ]

    operations = [
        permit(
            "caller",
            *("view_contact", "add_contact", "change_contact"),
            *("view_contactnumber", "add_contactnumber", "change_contactnumber"),
            *("add_note", "view_note", "view_tag"),
            groups=EVERYBODY,
        ),
        permit(
            "caller",
            *("delete_contact", "delete_contactnumber", "delete_note"),
            *("add_tag", "change_tag", "delete_tag"),
        ),
    ]
