from django.urls import path

from caller import dial_views, views
from caller.contacts import views as contacts
from caller.conversations import views as conversations
from caller.conversations import webhooks as bridging
from caller.costs.views import costs_page
from caller.notes import views as notes
from caller.recordings import views as recordings
from caller.twilio import webhooks

app_name = "caller"

urlpatterns = [
    path("", views.home, name="home"),
    path("dial/check/", dial_views.check_number, name="check-number"),
    # Accept any string, so that an invalid number gets an explanation, not a 404.
    path("dial/<str:number>/", dial_views.dial, name="dial"),
    path("dial/", dial_views.dial_box, name="dial-box"),
    path("calls/<uuid:uuid>/", views.call_page, name="call-page"),
    path("calls/<uuid:uuid>/ask/", views.ask_twilio, name="ask-twilio"),
    path("calls/<uuid:uuid>/number/", contacts.number_page, name="number"),
    path("calls/<uuid:uuid>/number/name/", contacts.name_number, name="name-number"),
    path("calls/<uuid:uuid>/notes/", notes.add_note, name="add-note"),
    path(
        "calls/<uuid:uuid>/notes/<int:pk>/delete/",
        notes.delete_note,
        name="delete-note",
    ),
    path("calls/<uuid:uuid>/tags/", notes.tag_call, name="tag"),
    path("costs/", costs_page, name="costs"),
    path("phone/", conversations.phone, name="phone"),
    path("contacts/import/", contacts.import_page, name="import-contacts"),
    path(
        "recordings/<int:pk>/audio/", recordings.recording_audio, name="recording-audio"
    ),
    path(
        "get-recording-url/<str:call_sid>/",
        recordings.get_recording_url,
        name="get-recording-url",
    ),
    # Twilio requests these URLs.
    path("record/", webhooks.record, name="record"),
    path("record/done/", webhooks.record_done, name="record-done"),
    path("code/", bridging.code, name="code"),
    path("bridge/", bridging.bridge, name="bridge"),
    path("bridge/accept/", bridging.accept, name="accept"),
    path("bridge/notice/", bridging.bridge_notice, name="bridge-notice"),
    path("bridge/done/", bridging.bridge_done, name="bridge-done"),
    path("answer/", bridging.answer, name="answer"),
    path("webhooks/twilio/machine/", webhooks.machine_webhook, name="machine-webhook"),
    path("webhooks/twilio/call/", webhooks.call_webhook, name="call-webhook"),
    path(
        "webhooks/twilio/recording/",
        webhooks.recording_webhook,
        name="recording-webhook",
    ),
]
