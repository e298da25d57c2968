"""The worker process, which `manage.py worker` starts."""
