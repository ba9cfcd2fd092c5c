"""Compares records field by field: agreement levels of all fields of a pair in one visit.

For encodings with a filter for each field. What is compared is a :class:`~linkkit.linkage.block.BlockingPlan`.
"""
