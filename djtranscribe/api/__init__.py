"""The API for programs: the pages' rows, rules and limits, in JSON.

Needs a token (tokens.py). Each answer that is none of 2xx is {"detail": a sentence}.
"""
