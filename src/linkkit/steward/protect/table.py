"""Protect any table of people: the search and the writing of what it found, without an agreement.

:func:`anonymize` is for studies and for measuring; what it returns cannot be released. A
release starts from :func:`~linkkit.steward.protect.microdata.protect`.
"""
