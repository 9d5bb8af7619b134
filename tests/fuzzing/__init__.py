"""Readers of files that others wrote, given damaged ones: a result or an AntiphonError, in bounded time.

``python -m tests.fuzzing --mutations 2000 [READER...]`` gives each as many as you like, and keeps what fails.
"""
