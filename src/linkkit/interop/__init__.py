"""Interop: candidate pairs, comparison vectors and links, to and from other tools for record linkage.

Run by the linkage unit. In and out: pandas frames and indexes as recordlinkage and Splink have them, and graphs
of networkx. Records go by their tokens in hexadecimal, never by a party's own ids. Each of these packages is
needed only by the functions that name it.
"""

from linkkit.interop.clusters import crosswalk_from_clusters, crosswalk_from_links
from linkkit.interop.graphs import links_graph
from linkkit.interop.indexes import (
    candidates_index,
    labels_from_index,
    labels_index,
    links_index,
    party_pairs,
)
from linkkit.interop.recordlinkage_features import comparison_features, records_frame
from linkkit.interop.splink_frames import splink_clusters, splink_predictions
from linkkit.interop.vectors import comparison_vectors

__all__ = [
    "candidates_index",
    "comparison_features",
    "comparison_vectors",
    "crosswalk_from_clusters",
    "crosswalk_from_links",
    "labels_from_index",
    "labels_index",
    "links_graph",
    "links_index",
    "party_pairs",
    "records_frame",
    "splink_clusters",
    "splink_predictions",
]
