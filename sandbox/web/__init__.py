"""What both stand-ins share: a web server, faults on demand, evidence, callbacks."""
