"""Clustering: groups of records that are one person.

Runs at the linkage unit, after classification. In: scored pairs. Out: a person number for
every record of the pool.
"""

from linkkit.linkage.cluster.assign import connected_records, one_to_one
from linkkit.linkage.cluster.people import Assignment, ScorePairs, cluster_records

__all__ = ["Assignment", "ScorePairs", "cluster_records", "connected_records", "one_to_one"]
