"""JSON API for programs, with the same data, rules and limits as the pages.

Every operation needs a token (tokens.py). Errors are {"detail": "a sentence"}, except
416, which has no body, and bugs in our code (500), which give an HTML page.
"""
