"""Django's own tables of users and groups, with this site's answers to odd requests."""

from django.contrib import admin
from django.contrib.auth import admin as django_admin
from django.contrib.auth.models import Group, User

from djtranscribe.read_only_admin import OddRequests

admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(OddRequests, django_admin.UserAdmin[User]):
    pass


@admin.register(Group)
class GroupAdmin(OddRequests, django_admin.GroupAdmin):
    pass
