from django.urls import path, re_path

from sandbox.twilio import page, recordings, rest
from sandbox.web import control

ACCOUNT = r"^2010-04-01/Accounts/(?P<account>\w+)"

urlpatterns = [
    path("", page.index),
    path("_sandbox/calls", page.calls),
    path("_sandbox/api-key", control.posted(page.api_key)),
    *control.urlpatterns,
    re_path(ACCOUNT + r"\.json$", rest.account),
    re_path(ACCOUNT + r"/Calls\.json$", rest.calls),
    re_path(ACCOUNT + r"/Calls/(?P<sid>CA\w+)\.json$", rest.call),
    re_path(ACCOUNT + r"/Calls/(?P<sid>CA\w+)/Recordings\.json$", recordings.of_call),
    re_path(ACCOUNT + r"/Recordings\.json$", recordings.of_account),
    re_path(ACCOUNT + r"/Recordings/(?P<sid>RE\w+)\.json$", recordings.one),
    re_path(
        ACCOUNT + r"/Recordings/(?P<sid>RE\w+)(?P<suffix>|\.wav|\.mp3)$",
        recordings.media,
    ),
    re_path(ACCOUNT + r"/IncomingPhoneNumbers\.json$", rest.phone_numbers),
    re_path(r"^2010-04-01/", page.unknown),
]
