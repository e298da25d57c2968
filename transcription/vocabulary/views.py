from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.text import slugify
from django.views.decorators.http import require_POST, require_safe

from transcription.assemblyai import keyterms
from transcription.models import Vocabulary
from transcription.vocabulary.files import csv_of


@require_POST
@permission_required("transcription.change_vocabulary", raise_exception=True)
def check_terms(request: HttpRequest) -> HttpResponse:
    """Check the terms of a keyword list while a person types them."""
    typed = request.POST.get("terms", "")
    try:
        keyterms.validate_terms(typed)
        errors = []
    except ValidationError as error:
        errors = error.messages
    context = {
        "count": keyterms.count_of(typed),
        "errors": errors,
        "warnings": keyterms.warnings_for(typed),
    }
    return render(request, "transcription/_terms_check.html", context)


@require_safe
@permission_required("transcription.view_vocabulary", raise_exception=True)
def download(request: HttpRequest, pk: int, extension: str) -> HttpResponse:
    """Return the terms of a list as a file. It can be uploaded to another list."""
    vocabulary = get_object_or_404(Vocabulary, pk=pk)
    terms = keyterms.terms_of(vocabulary.terms)
    if extension == "txt":
        answer = HttpResponse(
            "\n".join([*terms, ""]), content_type="text/plain; charset=utf-8"
        )
    elif extension == "csv":
        answer = HttpResponse(csv_of(terms), content_type="text/csv; charset=utf-8")
    else:
        raise Http404("There is no such format.")
    name = slugify(vocabulary.name) or "keyword-list"
    answer["Content-Disposition"] = f'attachment; filename="{name}.{extension}"'
    return answer
