"""Routes: from a pool of encodings to scored pairs, one route for each way to encode.

A route plans what is compared, compares, learns a model and scores, within limits of memory and pairs.
"""

from linkkit.linkage.routes.by_fields import forecast_fields, link_fields
from linkkit.linkage.routes.by_passes import link_passes
from linkkit.linkage.routes.by_records import link_records
from linkkit.linkage.routes.work import Found, Work

__all__ = ["Found", "Work", "forecast_fields", "link_fields", "link_passes", "link_records"]
