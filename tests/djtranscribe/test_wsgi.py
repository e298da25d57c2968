"""The WSGI application ignores the charset that a request claims to have."""

import io

import pytest

from djtranscribe.wsgi import application

# transaction=True, because `application` closes the database connection at the end.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("charset", ["hex", "undefined", "utf-16", "latin-1", "x" * 99])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/healthz"), ("POST", "/webhooks/twilio/call/")]
)
def test_a_charset_that_a_request_claims_changes_nothing(charset, method, path):
    body = b"CallStatus=ringing"
    statuses = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "q=%C3%A9",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "HTTP_X_FORWARDED_PROTO": "https",
        "CONTENT_TYPE": f"application/x-www-form-urlencoded; charset={charset}",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }

    answer = application(environ, lambda status, headers: statuses.append(status))
    list(answer)
    answer.close()

    assert statuses == ["200 OK" if method == "GET" else "403 Forbidden"]
