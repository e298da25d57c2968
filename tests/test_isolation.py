"""A test that commits its changes does not change the tables of the next test."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import TransactionTestCase


def rights():
    return sorted(Group.objects.values_list("name", "permissions__codename"))


@pytest.mark.sql
@pytest.mark.django_db(transaction=True)
def test_groups_and_permissions_are_as_before_after_a_transactional_test():
    before = rights()
    User.objects.create_user("ada")
    Group.objects.get(name="Supervisors").delete()
    Group.objects.get(name="Operators").permissions.clear()
    assert rights() != before

    TransactionTestCase()._fixture_teardown()

    assert rights() == before
    assert not User.objects.exists()
