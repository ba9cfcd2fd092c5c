"""Where the families of the made-up city come from, and what goes with it.

A family's origin settles which lists its names are drawn from, how many surnames a child has,
which languages are spoken at home and what the school district notes as race and ethnicity.
The shares are plausible for a mixed city in the United States; they describe no real one.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ORIGINS", "Origin"]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One origin of families.

    Parameters
    ----------
    name : str
        Key of the origin in the lists of names.
    share : float
        Relative weight among the families; the weights need not add up to 1.
    english_given : float
        Share of children, 0 to 1, with a given name from the English list.
    double_surname : float
        Share of families, 0 to 1, whose children bear two surnames.
    joiner : str
        What stands between two surnames.
    surname_skew : float
        Exponent of the frequency of surnames by rank: 0 is uniform.
    family_first : bool
        Whether the family name is spoken first, so that forms get it the wrong way round.
    language : str
        Language other than English.
    speaks : float
        Share of families, 0 to 1, that speak it at home.
    race : str
        Race and ethnicity in federal reporting categories.
    """

    name: str
    share: float
    english_given: float = 0.3
    double_surname: float = 0.03
    joiner: str = "-"
    surname_skew: float = 0.8
    family_first: bool = False
    language: str = "English"
    speaks: float = 0.5
    race: str = "White"


_BLACK = "Black or African American"
_HISPANIC = "Hispanic or Latino"
_PACIFIC = "Native Hawaiian or Pacific Islander"
_NATIVE = "American Indian or Alaska Native"

ORIGINS: tuple[Origin, ...] = (
    Origin(name="english", share=0.25, english_given=1.0, surname_skew=0.65),
    Origin(name="hispanic", share=0.27, english_given=0.12, double_surname=0.35, joiner=" ",
           surname_skew=0.7, language="Spanish", speaks=0.6, race=_HISPANIC),
    Origin(name="african_american", share=0.15, english_given=0.4, race=_BLACK),
    Origin(name="vietnamese", share=0.04, english_given=0.4, surname_skew=1.3, family_first=True,
           language="Vietnamese", speaks=0.7, race="Asian"),
    Origin(name="chinese", share=0.04, english_given=0.5, surname_skew=0.9, family_first=True,
           language="Chinese", speaks=0.6, race="Asian"),
    Origin(name="korean", share=0.02, english_given=0.5, surname_skew=1.3, family_first=True,
           language="Korean", speaks=0.6, race="Asian"),
    Origin(name="hmong", share=0.03, surname_skew=0.9, language="Hmong", speaks=0.6,
           race="Asian"),
    Origin(name="somali", share=0.03, english_given=0.05, language="Somali", speaks=0.7,
           race=_BLACK),
    Origin(name="arabic", share=0.025, english_given=0.1, language="Arabic", speaks=0.6),
    Origin(name="indian", share=0.03, english_given=0.1, language="Hindi", race="Asian"),
    Origin(name="slavic", share=0.03, language="Russian", speaks=0.4),
    Origin(name="filipino", share=0.03, language="Tagalog", race="Asian"),
    Origin(name="samoan", share=0.013, language="Samoan", race=_PACIFIC),
    Origin(name="native", share=0.013, english_given=0.6, race=_NATIVE),
    Origin(name="portuguese", share=0.02, english_given=0.25, double_surname=0.3, joiner=" ",
           language="Portuguese"),
    Origin(name="german", share=0.03, english_given=0.6),
    Origin(name="irish", share=0.03, english_given=0.6, surname_skew=0.6),
)  # fmt: skip
"""All origins; a family's origin is held as a position in this tuple."""
