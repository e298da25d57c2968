"""What both stand-ins share: a small web server, faults on demand, evidence, callbacks."""
