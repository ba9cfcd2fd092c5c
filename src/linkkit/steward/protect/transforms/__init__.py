"""Changes to single variables that need no search: shifted dates, microaggregation, top and bottom coding."""
