"""What several test modules use that is no fixture; `pythonpath` in pyproject.toml finds it."""
