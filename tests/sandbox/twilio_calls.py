"""Place calls at Twilio's stand-in with Twilio's own SDK."""

from twilio.http.http_client import TwilioHttpClient

from tests.sandbox.conftest import ACCOUNT_SID, AUTH_TOKEN, until

AUTH = (ACCOUNT_SID, AUTH_TOKEN)
EVENTS = ["initiated", "ringing", "answered", "completed"]
SPEAKS = "+14155551234"


class Transport(TwilioHttpClient):
    def __init__(self, url):
        super().__init__(pool_connections=False, timeout=60)
        self.url = url

    def request(self, method, url, *args, **kwargs):
        url = url.replace("https://api.twilio.com", self.url)
        return super().request(method, url, *args, **kwargs)


def document(
    product, record="", say="This call is recorded.", events="completed absent"
):
    return (
        f"<Response><Say>{say}</Say>"
        f'<Record action="/done/" timeout="3" maxLength="60" trim="do-not-trim" '
        f'recordingStatusCallback="{product.url}/recording/?call=1#rc=2&amp;rp=all" '
        f'recordingStatusCallbackEvent="{events}" {record}/>'
        "<Say>Nothing was recorded.</Say></Response>"
    )


def finished(client, sid):
    final = ("completed", "busy", "no-answer", "failed", "canceled")
    until(lambda: client.calls(sid).fetch().status in final, "the end of the call")
    return client.calls(sid).fetch()


def evidence(twilio, sid):
    return next(c for c in twilio.control("GET", "calls") if c["sid"] == sid)
