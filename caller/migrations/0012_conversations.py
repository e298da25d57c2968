import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Right

STATUSES = [
    ("dialing", "Dialing"),
    ("unknown", "Unknown"),
    ("refused", "Refused"),
    ("queued", "Queued at Twilio"),
    ("initiated", "Dialing"),
    ("ringing", "Ringing"),
    ("in-progress", "In progress"),
    ("completed", "Completed"),
    ("busy", "Busy"),
    ("no-answer", "No answer"),
    ("canceled", "Canceled"),
    ("failed", "Failed"),
]
FINISHED = ["completed", "busy", "no-answer", "canceled", "failed", "refused"]


class Migration(migrations.Migration):
    """Rename a call's numbers to "other" and "our": a call can now be incoming."""

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("caller", "0011_contact_permissions"),
    ]

    operations = [
        migrations.RemoveConstraint("call", "one_unfinished_call_per_number"),
        migrations.RemoveIndex("call", "call_by_last_digits"),
        migrations.RenameField("call", "to", "other_number"),
        migrations.RenameField("call", "from_number", "our_number"),
        migrations.AlterField(
            "call",
            "other_number",
            models.CharField(db_index=True, max_length=16, verbose_name="number"),
        ),
        migrations.AlterField(
            "call",
            "our_number",
            models.CharField(max_length=16, verbose_name="our number"),
        ),
        migrations.AddField(
            "call",
            "direction",
            models.CharField(
                choices=[("outbound", "Outgoing"), ("inbound", "Incoming")],
                default="outbound",
                max_length=10,
            ),
        ),
        migrations.AddField(
            "call",
            "kind",
            models.CharField(
                choices=[
                    ("message", "Message: one person speaks to the recorder"),
                    ("conversation", "Conversation with an operator"),
                    ("code", "Code that verifies an operator's phone"),
                ],
                default="message",
                max_length=20,
            ),
        ),
        migrations.AddField(
            "call",
            "answered_by",
            models.CharField(
                blank=True, default="", editable=False, max_length=20
            ),
            preserve_default=False,
        ),
        migrations.AddIndex(
            "call", models.Index(Right("other_number", 4), name="call_by_last_digits")
        ),
        migrations.AddIndex(
            "call",
            models.Index(fields=["direction", "created_at"], name="call_by_direction"),
        ),
        migrations.AddConstraint(
            "call",
            models.UniqueConstraint(
                condition=Q(direction="outbound") & ~Q(status__in=FINISHED),
                fields=("other_number",),
                name="one_unfinished_call_per_number",
                violation_error_message="This number is being called already.",
            ),
        ),
        migrations.AddField(
            "donotcall",
            "blocks_incoming",
            models.BooleanField(
                default=False,
                help_text="Calls from this number hear a sentence and are ended.",
                verbose_name="do not accept calls",
            ),
        ),
        migrations.CreateModel(
            name="Leg",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("status", models.CharField(choices=STATUSES, default="dialing", max_length=20)),
                ("ringing_at", models.DateTimeField(blank=True, null=True, verbose_name="rang")),
                ("answered_at", models.DateTimeField(blank=True, null=True, verbose_name="answered")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended")),
                ("duration_seconds", models.PositiveIntegerField(blank=True, null=True, verbose_name="duration (seconds)")),
                ("price", models.DecimalField(blank=True, decimal_places=5, max_digits=10, null=True)),
                ("price_unit", models.CharField(blank=True, max_length=3)),
                ("error", models.TextField(blank=True)),
                ("sequence_number", models.PositiveIntegerField(blank=True, null=True)),
                ("number", models.CharField(max_length=16, verbose_name="operator's phone")),
                ("accepted_at", models.DateTimeField(blank=True, null=True)),
                ("hung_up_first", models.BooleanField(editable=False, null=True)),
                ("call", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="leg", to="caller.call")),
            ],
            options={"verbose_name": "operator's phone"},
        ),
        migrations.CreateModel(
            name="OperatorPhone",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.CharField(max_length=16)),
                ("verified_at", models.DateTimeField(blank=True, null=True)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("code_call", models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="caller.call")),
                ("user", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="phone", to=settings.AUTH_USER_MODEL)),
            ],
            options={"ordering": ["user"]},
        ),
    ]
