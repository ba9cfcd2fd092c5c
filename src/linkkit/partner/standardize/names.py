"""Names of persons: titles, suffixes, particles, and columns that hold a whole name."""

from __future__ import annotations

import re
from collections.abc import Callable

from linkkit.partner.standardize.outcome import BLANK, Outcome
from linkkit.partner.standardize.text import of_words, opened, plain_words

__all__ = [
    "given_part",
    "split_name",
    "standard_given_name",
    "standard_surname",
    "standard_whole_name",
    "surname_part",
]

_TITLES = frozenset(
    "mr mrs ms miss mx dr prof rev fr sir dame hon sr jr master madam sra srta sgt cpt".split()
)
_SUFFIXES = frozenset(
    "jr jnr junior sr snr senior ii iii iv 2nd 3rd 4th 5th esq md phd dds dvm rn cpa jd mba msw "
    "lcsw edd".split()
)
_JOINED_SUFFIX = re.compile(r"(?<=[a-z])(?=(?:Jr|JR|Sr|SR|II|III|IV)\b)")

# What a surname may begin with, as one word with the next: "De La Cruz" is also written
# "Delacruz", "Mc Donald" "McDonald", "Saint John" "St. John", "Al-Hassan" "Alhassan".
_SURNAME_PARTICLES = frozenset(
    "abd abdal abdel abdul abdur abu al ap ben bin bint d da das de dei del dela della den der des "
    "di do dos du el fitz ibn l la las le lo los mac mc o san santa santo sao st sta ste te ten "
    "ter van vande vanden vander ver vom von zu zum zur".split()
)
# Those of given names are fewer: a letter alone is an initial, "Van" and "San" are names.
_GIVEN_PARTICLES = frozenset("abd abdal abdel abdul abdur al de del dela el la las le los".split())
_SPELLINGS = {"saint": "st", "sainte": "ste"}
_LINKS = frozenset("y e i".split())
# In a whole name, these belong to the surname that follows.
_SPLIT_PARTICLES = _SURNAME_PARTICLES - frozenset("abd abdal abdel abdul abdur ap do lo".split())

_NICKNAME = re.compile(
    r"[(\[{\"“«„][^)\]}\"”»“]*[)\]}\"”»“]|(?:(?<=\s)|^)['‘’][^'‘’\s]+['‘’](?=\s|$)"
)
_FORMER = re.compile(r"(?<=\S)\s+(?:a\.?k\.?a|f\.?k\.?a|née|nee|formerly)\b\.?", re.IGNORECASE)
_ZERO_FOR_O = re.compile(r"^(?=0?[a-z])[a-z]*0[a-z]*$")
_NUMBERED = re.compile(r"^([a-z]+)\d+$")
_COUNT = re.compile(r"^\d+(?:st|nd|rd|th)?$")

# What stands in the place of a given name in rosters and on census forms. "Son" is a name.
_NO_GIVEN_NAMES = frozenset(
    "adult baby bebe boarder boy brother child client dad daughter eldest father female fetus girl "
    "grandchild granddaughter grandson householder husband infant male mom mother newborn occupant "
    "oldest parent patient person resident respondent roommate roomer sister spouse stepchild "
    "student test triplet twin unborn unknown unnamed wife youngest".split()
)
_FILLING_WORDS = frozenset("of the a b c d one two three no not first second only".split())

# Surnames that in a whole name without a comma begin a double one, or stand first. Those of the
# most frequent ones in the 2010 census of the United States (Census Bureau, "Frequently Occurring
# Surnames") that hardly anybody bears as a given name.
_SPANISH = frozenset(
    "aguilar alvarado alvarez avila ayala barajas barrera beltran cabrera calderon camacho campos "
    "cardenas carrillo castaneda castillo castro cervantes chavez cisneros contreras cordova "
    "cortez delgado diaz dominguez escobar espinosa espinoza esquivel estrada fernandez figueroa "
    "flores fuentes gallegos galvan garcia garza gomez gonzales gonzalez guerra guerrero gutierrez "
    "guzman hernandez herrera huerta ibarra jimenez juarez lopez lozano lugo maldonado "
    "martinez medina mejia melendez mendez mendoza meza molina montes montoya morales "
    "moreno munoz murillo navarro nunez ochoa orozco ortega ortiz pacheco padilla palacios pena "
    "perez ponce quintero ramirez ramos rangel rios rivas rivera robles rodriguez rojas "
    "romero rosales rubio ruiz salas salazar salinas sanchez sandoval serrano silva solis soto "
    "suarez tapia torres trevino trujillo valdez valenzuela vargas vasquez vazquez vega "
    "velasco velasquez velez villa villanueva villarreal zamora zapata zavala zuniga".split()
)
_VIETNAMESE = frozenset("nguyen tran pham huynh hoang truong phan ngo duong dinh doan".split())
_VIETNAMESE_MIDDLE = frozenset("thi van".split())
_FEWEST_WITH_TWO_SURNAMES = 3


def standard_given_name(cell: str) -> Outcome:
    """Standardize a given name: no title, no initial beside a full name, no nickname in brackets.

    In its simple form a name is one word of ASCII letters and stays what it is, in lower case,
    unless it is a placeholder.

    Examples
    --------
    >>> standard_given_name("Dr. José A.").value
    'jose'
    """
    words, early = _name_words(cell, other_names=False)
    if early:
        return early
    words = _settled(words, _shorter_given)
    if _NO_GIVEN_NAMES.intersection(words) and all(
        word in _NO_GIVEN_NAMES or word in _FILLING_WORDS for word in words
    ):
        return Outcome(None, "placeholder")
    return of_words(" ".join(words))


def _shorter_given(words: list[str]) -> list[str]:
    words = _drop_end(_drop_front(words, _TITLES), _SUFFIXES)
    long = [word for word in words if len(word) > 1]
    # Initials alone are one word, as "J. R." and "JR" are the same name.
    return _fused(long, _GIVEN_PARTICLES) if long else ["".join(words)]


def standard_surname(cell: str) -> Outcome:
    """Standardize a surname: no suffix such as "Jr." or "III", particles as one with the name.

    Examples
    --------
    >>> standard_surname("García-López, Jr.").value, standard_surname("de la Cruz").value
    ('garcia lopez', 'delacruz')
    """
    words, early = _name_words(cell, other_names=True)
    return early or of_words(" ".join(_settled(words, _shorter_surname)))


def _shorter_surname(words: list[str]) -> list[str]:
    words = _drop_end(_drop_front(words, _TITLES), _SUFFIXES)
    words = _fused([_SPELLINGS.get(word, word) for word in words], _SURNAME_PARTICLES)
    return [word for word in words if len(word) > 1] or words


def _settled(words: list[str], step: Callable[[list[str]], list[str]]) -> list[str]:
    """Repeat a step until nothing changes, so that a standard form is its own standard form."""
    while (shorter := step(words)) != words:
        words = shorter
    return words


def _fused(words: list[str], particles: frozenset[str]) -> list[str]:
    """Join particles with what follows, and leave out what links two surnames, as in "Ruiz y Paz"."""
    fused: list[str] = []
    before = ""
    for i, word in enumerate(words):
        last = i == len(words) - 1
        if word in particles and not last:
            before += word
        elif not (word in _LINKS and fused and not before and not last):
            fused.append(before + word)
            before = ""
    return fused


def _name_words(cell: str, *, other_names: bool) -> tuple[list[str], Outcome | None]:
    text, early = opened(cell)
    if early:
        return [], early
    text = _NICKNAME.sub(" ", text).strip() or text
    text = _FORMER.sub(" ", text) if other_names else _FORMER.split(text)[0]
    words = [_numberless(w) for w in plain_words(_JOINED_SUFFIX.sub(" ", text)).split()]
    if not words:
        return [], Outcome(None, "no letters or digits")
    # A count is a suffix or somebody's serial number, and nobody's name.
    named = [word for word in words if not _COUNT.match(word)]
    return named, None if named else Outcome(None, "no letters")


def _numberless(word: str) -> str:
    if _ZERO_FOR_O.match(word):
        return word.replace("0", "o")
    found = _NUMBERED.match(word)
    return found[1] if found else word


def _drop_front(words: list[str], known: frozenset[str]) -> list[str]:
    while len(words) > 1 and words[0] in known:
        words = words[1:]
    return words


def _drop_end(words: list[str], known: frozenset[str]) -> list[str]:
    while len(words) > 1 and words[-1] in known:
        words = words[:-1]
    return words


def given_part(cell: str) -> str:
    """Return the given name out of "Last, First M" or "First M Last"."""
    return split_name(cell)[0]


def surname_part(cell: str) -> str:
    """Return the surname out of "Last, First M" or "First M Last".

    Examples
    --------
    >>> surname_part("de la Cruz, Ana M."), surname_part("Ana M. de la Cruz")
    ('de la Cruz', 'de la Cruz')
    """
    return split_name(cell)[1]


def split_name(cell: str) -> tuple[str, str]:
    """Split a whole name into the given name and the surname, each as it is written.

    A comma or semicolon ends the surname. Without one the last word is the surname, together
    with the particles before it and with a frequent Spanish surname before it; a frequent
    Vietnamese surname may also stand first.

    Examples
    --------
    >>> split_name("Ana García López"), split_name("Nguyễn Thị Mai")
    (('Ana', 'García López'), ('Thị Mai', 'Nguyễn'))
    """
    text, early = opened(cell)
    if early:  # whoever reads either part finds the same reason
        return cell, cell
    text = _FORMER.split(_NICKNAME.sub(" ", text).strip() or text)[0]
    parts = [part.strip() for part in re.split("[,;]", text)]
    if len(parts) > 1 and not any(parts[1:]):
        return "", parts[0]
    if len(parts) > 1 and not _only_suffixes(parts[1:]):
        given = [part for part in parts[1:] if not _only_suffixes([part])]
        return " ".join(given), parts[0]
    return _split_words(parts[0].split())


def _only_suffixes(parts: list[str]) -> bool:
    words = " ".join(parts).casefold().replace(".", "").split()
    return all(word in _SUFFIXES for word in words)


def _split_words(words: list[str]) -> tuple[str, str]:
    bare = [plain_words(word) for word in words]
    while len(words) > 1 and bare[0] in _TITLES:
        words, bare = words[1:], bare[1:]
    while len(words) > 1 and (bare[-1] in _SUFFIXES or not bare[-1]):
        words, bare = words[:-1], bare[:-1]
    if len(words) < 2:
        return " ".join(words), ""
    if _surname_first(bare):
        return " ".join(words[1:]), words[0]
    start = _before_particles(bare, len(words) - 1)
    if start >= _FEWEST_WITH_TWO_SURNAMES - 1 and bare[start - 1] in _SPANISH:
        start = _before_particles(bare, start - 1)
    return " ".join(words[:start]), " ".join(words[start:])


def _surname_first(bare: list[str]) -> bool:
    return bare[0] in _VIETNAMESE and (
        bare[-1] not in _VIETNAMESE or (len(bare) > 2 and bare[1] in _VIETNAMESE_MIDDLE)
    )


def _before_particles(bare: list[str], start: int) -> int:
    while start > 1 and bare[start - 1] in _SPLIT_PARTICLES | _LINKS:
        start -= 1
    return start


def standard_whole_name(
    cell: str, *, read_given: Callable[[str], Outcome] = standard_given_name
) -> Outcome:
    """Standardize a name that is one linkage field: given name first, then surname.

    Examples
    --------
    >>> standard_whole_name("Cruz, Ana M.").value
    'ana cruz'
    """
    given, surname = split_name(cell)
    outcomes = [read_given(given), standard_surname(surname)] if surname else []
    parts = [outcome.value for outcome in outcomes if outcome.value]
    if len(parts) == 2:
        return Outcome(" ".join(parts))
    return standard_surname(cell) if cell.strip() else BLANK
