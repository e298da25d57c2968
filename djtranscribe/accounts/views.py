from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.views.decorators.http import require_http_methods, require_POST

from djtranscribe.accounts.forms import ProfileForm
from djtranscribe.accounts.sessions import end_other_sessions, logins
from djtranscribe.models import Profile


@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Let an account choose its time zone, and show where it is logged in."""
    user = cast(User, request.user)
    mine = Profile.objects.filter(user=user).first()
    form = ProfileForm(request.POST or None, instance=mine or Profile(user=user))
    if request.method == "POST" and form.is_valid():
        Profile.objects.update_or_create(user=user, defaults=form.cleaned_data)
        messages.success(request, "Your profile is saved.")
        return redirect("profile")
    context = {"form": form, "logins": logins(request)}
    return render(request, "profile.html", context)


@require_POST
def log_out_elsewhere(request: HttpRequest) -> HttpResponse:
    """End one session, or all other sessions if the form has no `number`."""
    ended = end_other_sessions(request, request.POST.get("number", ""))
    done = f"Ended {ended} session{pluralize(ended)}."
    messages.success(request, done if ended else "This session had already ended.")
    return redirect("profile")
