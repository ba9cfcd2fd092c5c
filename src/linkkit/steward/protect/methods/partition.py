def split_people(
    items, hierarchies, conditions, *, shown, missing="category", max_suppressed=0, population=None
):
    raise NotImplementedError
