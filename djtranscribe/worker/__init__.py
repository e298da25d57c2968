"""What the worker process does. `manage.py worker` starts it."""
