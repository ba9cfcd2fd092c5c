def grow_classes(
    items, hierarchies, conditions, *, shown, missing="category", max_suppressed=0, population=None
):
    raise NotImplementedError
