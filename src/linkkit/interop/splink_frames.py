"""Scored pairs and clusters as the frames that Splink has: predictions, and clusters."""

from __future__ import annotations

import pandas as pd

from linkkit.interop.listed import tokens_of
from linkkit.linkage import LinkResult

__all__ = ["splink_clusters", "splink_predictions"]


def splink_predictions(result: LinkResult) -> pd.DataFrame:
    """Return the candidate pairs as Splink's predictions.

    Parameters
    ----------
    result : LinkResult
        What the linkage found.

    Returns
    -------
    pandas.DataFrame
        ``match_weight``, ``match_probability``, ``source_dataset_l``, ``unique_id_l``, ``source_dataset_r``,
        ``unique_id_r``, where a source data set is a party and an id a token in hexadecimal; and for each field, pass
        or filter ``gamma_NAME``: -1 missing, 0 disagree, 1 partly, 2 close, 3 equal.

    Examples
    --------
    >>> from linkkit.assess.example import example_linkage
    >>> splink_predictions(example_linkage().result).columns[:2].tolist()
    ['match_weight', 'match_probability']
    """
    pool, scored = result.pairs.pool, result.pairs.scored
    parties = pd.Series(pool.parties, dtype=object)
    columns: dict[str, object] = {
        "match_weight": scored.weight,
        "match_probability": scored.probability,
    }
    for side, rows in (("l", scored.left), ("r", scored.right)):
        columns[f"source_dataset_{side}"] = parties.to_numpy()[pool.party[rows]]
        columns[f"unique_id_{side}"] = tokens_of(pool, rows)
    for f, item in enumerate(pool.spec.columns):
        columns[f"gamma_{item.name}"] = scored.levels[:, f].astype("int64") - 1
    return pd.DataFrame(columns)


def splink_clusters(result: LinkResult) -> pd.DataFrame:
    """Return who is whom as Splink's clusters: ``cluster_id``, ``source_dataset`` and ``unique_id``.

    A cluster's id is the person id in hexadecimal.
    """
    frame = result.crosswalk.to_pandas()
    names = {"person_id": "cluster_id", "party": "source_dataset", "token": "unique_id"}
    return frame.rename(columns=names)[list(names.values())]
