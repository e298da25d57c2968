from ninja import NinjaAPI
from ninja.operation import Operation

from djtranscribe.api import calls, errors, recordings, transcripts
from djtranscribe.api.pages import nothing_else


class Api(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        """`list_calls`: what generated clients call their functions."""
        return str(operation.view_func.__name__)


def made() -> NinjaAPI:
    # ninja's own page of documentation has scripts of other hosts: see docs.py.
    api = Api(
        title="djtranscribe",
        description="Calls, their recordings and their transcripts. Times are in UTC.",
        openapi_url=None,
        docs_url=None,
    )
    api.add_decorator(nothing_else)
    errors.handle(api)
    for module in (calls, recordings, transcripts):
        api.add_router("", module.router)
    return api


api = made()
