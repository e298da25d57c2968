"""Code for both stand-ins: web server, injected faults, request log, callbacks."""
