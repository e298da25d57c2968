from django.urls import path, re_path

from sandbox.twilio import page, phone_page, recordings, rest
from sandbox.web import control

ACCOUNT = r"^2010-04-01/Accounts/(?P<account>\w+)"

urlpatterns = [
    path("", page.index),
    path("phone/", phone_page.page),
    path("phone/news", phone_page.news),
    path("phone/closed", phone_page.closed),
    path("phone/<str:name>", phone_page.file),
    path("phone/<str:sid>/<str:action>", phone_page.act),
    path("_sandbox/calls", page.calls),
    path("_sandbox/api-key", control.posted(page.api_key)),
    path("_sandbox/ring", control.posted(page.ring)),
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
    re_path(
        ACCOUNT + r"/IncomingPhoneNumbers/(?P<sid>PN\w+)\.json$", rest.phone_number
    ),
    re_path(r"^2010-04-01/", page.unknown),
]
