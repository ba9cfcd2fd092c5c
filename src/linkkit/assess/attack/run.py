"""All attacks on one target, as a command or a script runs them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from linkkit.assess.attack.dictionary import dictionary
from linkkit.assess.attack.matching import graph_matching, known_pairs
from linkkit.assess.attack.result import AttackResult
from linkkit.assess.attack.similarity import TokenSets
from linkkit.assess.attack.target import Target, Truth

__all__ = ["attack_encodings"]


def attack_encodings(
    target: Target,
    own: Target,
    truth: Truth,
    *,
    tokens: TokenSets | None = None,
    rehearsals: Sequence[Target] = (),
    under_key: Target | None = None,
    n_known: Iterable[int] = (50, 200, 1000),
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
    n_known : iterable of int
        How many known pairs to try; numbers that leave nobody to find are left out.
    seed : int
        Seed of the random choices.

    Raises
    ------
    OptionError
        When the lists do not go together.
    """
    found = [graph_matching(target, own, truth, tokens=tokens, rehearsals=rehearsals, seed=seed)]
    found += [
        known_pairs(target, own, truth, n_known=n, tokens=tokens, seed=seed)
        for n in n_known
        if n < len(truth.pairs)
    ]
    if under_key is not None:
        found.append(dictionary(target, under_key, truth, seed=seed))
    return tuple(found)
