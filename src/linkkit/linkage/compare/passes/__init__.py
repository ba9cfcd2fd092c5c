"""Compares records pass by pass: all pairs, or those with an equal filter or that meet in tables of its bits.

For encodings of several salted, diffused filters. What is compared is a :class:`~linkkit.linkage.block.PassPlan`.
"""
