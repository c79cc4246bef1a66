"""The CPU: a sweep of threads over tiles of rows."""
