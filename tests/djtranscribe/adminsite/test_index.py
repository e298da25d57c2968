"""Admin shows this product's tables, users and groups, and no other tables."""

import pytest
from django.apps import apps
from django.urls import NoReverseMatch, reverse

pytestmark = pytest.mark.django_db
OURS = {"caller", "transcription", "djtranscribe"}


def test_the_index_has_none_of_the_task_engines_words(admin_client):
    page = admin_client.get("/admin/").text.lower()

    assert "calls" in page
    for jargon in ("task result", "tasks database backend"):
        assert jargon not in page


@pytest.mark.parametrize("end", ["", "add/", "1/change/"])
def test_the_engines_pages_are_gone(admin_client, end):
    address = f"/admin/django_tasks_database/dbtaskresult/{end}"

    assert admin_client.get(address).status_code == 404


def test_of_libraries_only_users_and_groups_have_a_table():
    found = set()
    for model in apps.get_models():
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        try:
            reverse(f"admin:{label}_changelist")
        except NoReverseMatch:
            continue
        if model._meta.app_label not in OURS:
            found.add(label)

    assert found == {"auth_user", "auth_group"}
