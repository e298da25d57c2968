"""JSON API for programs, with the same data, rules and limits as the pages.

Every operation needs a token (tokens.py). Errors are {"detail": "a sentence"}, except:
- 416 has no body
- 500, a bug in our code, is an HTML page
"""
