"""Routes: from a pool of encodings to scored pairs, one route for each way to encode.

A route plans what is compared, compares, learns a model and scores, within limits of memory and pairs.
"""

from linkkit.linkage.routes.by_fields import forecast_fields, link_fields
from linkkit.linkage.routes.by_passes import forecast_passes, link_passes
from linkkit.linkage.routes.by_records import forecast_records, link_records
from linkkit.linkage.routes.work import Found, Route, Work

__all__ = ["FIELDS", "PASSES", "RECORDS", "Found", "Route", "Work"]

FIELDS = Route(link=link_fields, forecast=forecast_fields)
PASSES = Route(link=link_passes, forecast=forecast_passes)
RECORDS = Route(link=link_records, forecast=forecast_records)
