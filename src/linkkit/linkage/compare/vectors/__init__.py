"""Compares bit vectors: all pairs above a threshold, or in tables of sampled bits those that are found.

For encodings with one filter for each record, and for vectors of any origin. What is compared is a
:class:`~linkkit.linkage.block.FilterPlan`.
"""
