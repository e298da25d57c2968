from typing import Any

from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from caller.call_rows import rows_of
from caller.models import Call
from djtranscribe.models import Access
from transcription.models import Transcript
from transcription.search import finding
from transcription.search.notes import matching_notes
from transcription.search.operators import BadOperator
from transcription.search.query import MAX_LENGTH, Query, parse
from transcription.search.snippets import snippets_of

RESULTS_PER_PAGE = 20
# A search also shows notes. Without words, it shows calls instead of notes. Show at
# most this many.
MAX_OTHER_RESULTS = 10
# To find calls without a transcript, read only this many of the newest matching calls.
NEWEST_CALLS = 500


@require_safe
@permission_required("transcription.view_transcript", raise_exception=True)
def search_page(request: HttpRequest) -> HttpResponse:
    typed = request.GET.get("q", "")[:MAX_LENGTH].replace("\0", "")
    query = parse(typed)
    keys: list[int] = []
    others: dict[str, Any] = {}
    is_too_frequent, wrong = False, ""
    try:
        # `ranked_keys` returns a list of at most MAX_RESULTS keys: the pages need no
        # COUNT query.
        keys = finding.ranked_keys(query) if query else []
        others = other_results(query, request.user)
    except finding.TooFrequent:
        is_too_frequent = True
    except BadOperator as error:
        wrong = str(error)
    page = Paginator(keys, RESULTS_PER_PAGE).get_page(request.GET.get("page"))
    transcripts = Transcript.objects.select_related(
        "recording__call"
    ).with_contact_name()
    transcripts = transcripts.defer(*Transcript.LARGE_COLUMNS)
    if not query.included:
        transcripts = transcripts.defer("words")
    rows = transcripts.in_bulk(list(page.object_list))
    Access.objects.log(request.user, Access.Action.READ, rows.values())
    context = {
        "typed": typed,
        "query": query,
        "page": page,
        "found": len(keys),
        "is_too_frequent": is_too_frequent,
        "wrong": wrong,
        "is_cut": len(keys) == finding.MAX_RESULTS,
        # Skip transcripts that have been deleted in the meantime.
        "snippets": snippets_of(
            [rows[pk] for pk in page.object_list if pk in rows], query
        ),
        **others,
    }
    return render(request, "transcription/search.html", context)


def other_results(query: Query, user: Any) -> dict[str, Any]:
    """Return the results of a search that are not transcripts, as template context.

    - A search with words finds notes.
    - A search with only operators, such as `tag:billing`, finds calls without a
      transcript.
    - A user who may not view calls finds neither.

    Raises BadOperator.
    """
    if not query or not user.has_perm("caller.view_call"):
        return {}
    if query.included:
        return {"notes": matching_notes(query)[:MAX_OTHER_RESULTS]}
    # Calls without a transcript are rare. The database would read all calls to find
    # them, so look only at the newest calls.
    found = query.narrow(Call.objects.all(), "").values_list("pk", flat=True)
    newest = list(found[:NEWEST_CALLS])
    calls = Call.objects.with_contact_name().filter(
        pk__in=newest, recordings__transcripts=None
    )
    return {"rows": rows_of(calls.select_related("requested_by")[:MAX_OTHER_RESULTS])}
