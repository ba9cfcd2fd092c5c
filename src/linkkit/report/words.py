"""Numbers in plain words."""

from __future__ import annotations

__all__ = ["how_common", "percent", "probability_text", "share_text", "times"]

_SAYS_NOTHING = 0.1


def percent(share: float) -> str:
    """Return a share, 0 to 1, as a percentage that never rounds up to all or down to nothing.

    Examples
    --------
    >>> percent(0.9951), percent(0.99999), percent(1.0), percent(0.0)
    ('99.5%', '>99.9%', '100%', '0%')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    if share > 0.9995:
        return ">99.9%"
    return "<0.1%" if share < 0.0005 else f"{share:.1%}"


def share_text(share: float) -> str:
    """Return a share, 0 to 1, as a percentage with as many digits as a small one needs.

    Examples
    --------
    >>> share_text(0.978), share_text(0.0246), share_text(0.0002), share_text(0.0000001)
    ('97.8%', '2.46%', '0.02%', '<0.01%')
    """
    if share >= 0.1:
        return percent(share)
    return "<0.01%" if 0 < share < 0.0001 else f"{share:.2%}"


def times(bits: float) -> str:
    """Return the factor that a weight in bits stands for, in two digits.

    Examples
    --------
    >>> times(1), times(8.5), times(-3), times(13.2)
    ('2', '360', '8', '9,400')
    """
    factor = 2 ** abs(bits)
    if factor < 9.95:
        return f"{factor:.1f}".removesuffix(".0")
    return f"{float(f'{factor:.2g}'):,.0f}"


def how_common(bits: float) -> str:
    """Return what a match weight says, as a factor in words.

    Examples
    --------
    >>> how_common(8.5), how_common(-3), how_common(0.05)
    ('360 times as common', '8 times as rare', 'about as common')
    """
    if abs(bits) < _SAYS_NOTHING:
        return "about as common"
    return f"{times(bits)} times as {'common' if bits > 0 else 'rare'}"


def probability_text(probability: float) -> str:
    """Return a probability that somebody chose, as a percentage with the digits it needs.

    Examples
    --------
    >>> probability_text(0.5), probability_text(0.995)
    ('50%', '99.5%')
    """
    return f"{100 * probability:.6g}%"
