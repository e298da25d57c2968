"""The logs and switches of this process, which runs one stand-in."""

from sandbox.web.faults import Faults
from sandbox.web.postman import Postman
from sandbox.web.requestlog import RequestLog

faults = Faults()
requests = RequestLog()
postman = Postman()
