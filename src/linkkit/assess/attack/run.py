"""All attacks on one target, as a command or a script runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, get_args

from linkkit.assess.attack.dictionary import dictionary
from linkkit.assess.attack.matching import graph_matching, known_pairs
from linkkit.assess.attack.result import AttackResult
from linkkit.assess.attack.similarity import TokenSets
from linkkit.assess.attack.target import Target, Truth
from linkkit.errors import OptionError

__all__ = ["ATTACKS", "AttackName", "attack_encodings"]

AttackName = Literal["graph", "known", "dictionary"]

ATTACKS: tuple[AttackName, ...] = get_args(AttackName)
"""Names of the attacks."""


def attack_encodings(
    target: Target,
    own: Target,
    truth: Truth,
    *,
    tokens: TokenSets | None = None,
    rehearsals: Sequence[Target] = (),
    under_key: Target | None = None,
    attacks: Iterable[AttackName] = ATTACKS,
    n_known: Iterable[int] = (50, 200, 1000),
    n_rounds: tuple[int, int] = (30, 10),
    tell: Callable[[str], object] = str,
    seed: int = 0,
) -> tuple[AttackResult, ...]:
    """Run graph matching, known pairs and, if given the list under the key, the dictionary.

    Parameters
    ----------
    target : Target
        The encodings.
    own : Target
        The attacker's list, encoded alike under a key of the attacker's.
    truth : Truth
        Who is who, for scoring and for drawing the known pairs.
    tokens : sequence, optional
        Token ids of the own records, once or for each pass.
    rehearsals : sequence of Target
        The own list under more keys, for graph matching.
    under_key : Target, optional
        The attacker's list under the target's own key, for the dictionary.
    attacks : iterable of {"graph", "known", "dictionary"}
        Which attacks to run.
    n_known : iterable of int
        How many known pairs to try; numbers that leave nobody to find are left out.
    n_rounds : tuple of int
        Rounds of graph matching, and of known pairs.
    tell : callable
        Gets a sentence after each attack.
    seed : int
        Seed of the random choices.

    Raises
    ------
    OptionError
        When the lists do not go together, or an attack has another name.
    """
    chosen = list(attacks)
    if not set(chosen) <= set(ATTACKS):
        raise OptionError("there is no such attack", hint=f"Choose of {', '.join(ATTACKS)}.")
    graph_rounds, known_rounds = n_rounds
    found: list[AttackResult] = []

    def keep(result: AttackResult) -> None:
        found.append(result)
        tell(str(result))

    if "graph" in chosen:
        keep(
            graph_matching(
                target,
                own,
                truth,
                tokens=tokens,
                rehearsals=rehearsals,
                n_rounds=graph_rounds,
                seed=seed,
            )
        )
    for n in n_known if "known" in chosen else ():
        if n < len(truth.pairs):
            keep(
                known_pairs(
                    target,
                    own,
                    truth,
                    n_known=n,
                    tokens=tokens,
                    n_rounds=known_rounds,
                    seed=seed,
                )
            )
    if "dictionary" in chosen and under_key is not None:
        keep(dictionary(target, under_key, truth, seed=seed))
    return tuple(found)
