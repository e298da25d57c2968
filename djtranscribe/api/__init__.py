"""JSON API for programs, with the same data, rules and limits as the pages.

Every request needs a token (tokens.py). Every error is {"detail": "a sentence"}.
"""
