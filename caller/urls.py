from django.urls import path

from caller import views
from caller.twilio import webhooks

app_name = "caller"

urlpatterns = [
    path("", views.home, name="home"),
    path("dial/check/", views.check_number, name="check-number"),
    # Accept any string, so that an invalid number gets an explanation, not a 404.
    path("dial/<str:number>/", views.dial, name="dial"),
    path("dial/", views.dial_box, name="dial-box"),
    path("calls/<uuid:uuid>/", views.call_page, name="call-page"),
    path("calls/<uuid:uuid>/ask/", views.ask_twilio, name="ask-twilio"),
    path("recordings/<int:pk>/audio/", views.recording_audio, name="recording-audio"),
    path(
        "get-recording-url/<str:call_sid>/",
        views.get_recording_url,
        name="get-recording-url",
    ),
    # Twilio
    path("record/", webhooks.record, name="record"),
    path("record/done/", webhooks.record_done, name="record-done"),
    path("webhooks/twilio/call/", webhooks.call_webhook, name="call-webhook"),
    path(
        "webhooks/twilio/recording/",
        webhooks.recording_webhook,
        name="recording-webhook",
    ),
]
