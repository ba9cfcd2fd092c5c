"""Numbers in plain words."""

from __future__ import annotations

__all__ = ["count_text", "how_many", "percent"]


def percent(share: float) -> str:
    """Return a share, 0 to 1, as a percentage that never rounds up to all or down to nothing.

    Examples
    --------
    >>> percent(0.1234), percent(0.99999), percent(1.0), percent(0.0), percent(0.0012)
    ('12.3 %', '>99.9 %', '100 %', '0 %', '0.12 %')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    if share > 0.9995:
        return ">99.9 %"
    if share < 0.0001:
        return "<0.01 %"
    return f"{100 * share:.2f} %" if share < 0.01 else f"{100 * share:.1f} %"


def count_text(count: float) -> str:
    """Return a mean count with as many digits as a small one needs.

    Examples
    --------
    >>> count_text(1234.5), count_text(3.14), count_text(0.0234), count_text(0.0)
    ('1,234', '3.1', '0.023', '0')
    """
    if count == 0:
        return "0"
    if count >= 99.5:
        return f"{count:,.0f}"
    return f"{count:.1f}" if count >= 1 else f"{count:.2g}"


def how_many(share: float) -> str:
    """Return a share of people, 0 to 1, as so many of 100 or of 1,000.

    Examples
    --------
    >>> how_many(0.914), how_many(0.0123), how_many(0.0012), how_many(0.0001), how_many(1.0)
    ('91 of 100', '1 of 100', '1 of 1,000', 'fewer than 1 of 1,000', 'all')
    """
    if share > 0.995:
        return "all"
    if share >= 0.01:
        return f"{100 * share:.0f} of 100"
    return f"{1_000 * share:.0f} of 1,000" if share >= 0.001 else "fewer than 1 of 1,000"
