from ninja import NinjaAPI
from ninja.operation import Operation

from djtranscribe.api import calls, errors, recordings, transcripts
from djtranscribe.api.pages import reject_unknown_parameters
from djtranscribe.api.tokens import in_time_zone_of_user


class Api(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Return a function name for generated clients, such as `list_calls`."""
        return str(operation.view_func.__name__)


def build_api() -> NinjaAPI:
    # Turn off ninja's documentation page, which loads scripts from other hosts. Ours is
    # in docs.py.
    api = Api(
        title="djtranscribe",
        description="Calls, their recordings and their transcripts. Times are in UTC.",
        openapi_url=None,
        docs_url=None,
    )
    api.add_decorator(reject_unknown_parameters)
    api.add_decorator(in_time_zone_of_user)
    errors.add_handlers(api)
    for module in (calls, recordings, transcripts):
        api.add_router("", module.router)
    return api


api = build_api()
