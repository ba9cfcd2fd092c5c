"""The partner zone: reads a party's own extract, standardizes and encodes it. Sees people.

Runs inside one party. Only what :func:`linkkit.encode` returns as ``encodings`` and
``payload`` may leave; the token map and the rows set aside stay home.
"""
