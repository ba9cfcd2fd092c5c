"""All privacy models, at random, about the sensitive columns `score` and `grade`."""

import pyarrow as pa
from hypothesis import strategies as st

from linkkit.steward.protect.models import (
    DeltaPresence,
    DistinctLDiversity,
    EntropyLDiversity,
    HouseholdKAnonymity,
    KAnonymity,
    KMap,
    RecursiveLDiversity,
    TCloseness,
)

TREE = {
    "a": ("ab", "abc", "*"),
    "b": ("ab", "abc", "*"),
    "c": ("c", "abc", "*"),
    "d": ("de", "de", "*"),
    "e": ("de", "de", "*"),
}
_FLAT = dict.fromkeys(TREE, ("*",))

# How many of a population fit is told by the tests themselves.
_NOTHING = pa.table({"x": [0]})

# Bounds are shares that small classes meet exactly, so that the border is tried again and again.
_SHARES = st.sampled_from([0.1, 0.125, 0.2, 0.25, 0.3, 1 / 3, 0.4, 0.5, 0.6, 0.75, 1.0])
_SENSITIVE = st.sampled_from(["score", "grade"])

OF_CLASSES = {
    "k": st.builds(KAnonymity, k=st.integers(2, 5)),
    "household": st.builds(HouseholdKAnonymity, k=st.integers(2, 4)),
    "distinct": st.builds(DistinctLDiversity, sensitive=_SENSITIVE, l=st.integers(2, 4)),
    "entropy": st.builds(
        EntropyLDiversity, sensitive=_SENSITIVE, l=st.sampled_from([1.5, 2, 2.5, 3, 4])
    ),
    "recursive": st.builds(
        RecursiveLDiversity,
        sensitive=_SENSITIVE,
        c=st.sampled_from([0.5, 1, 1.5, 2, 3]),
        l=st.integers(2, 3),
    ),
    "equal": st.builds(TCloseness, sensitive=_SENSITIVE, t=_SHARES),
    "ordered": st.builds(
        TCloseness, sensitive=st.just("score"), t=_SHARES, distance=st.just("ordered")
    ),
    "order": st.builds(
        TCloseness,
        sensitive=st.just("grade"),
        t=_SHARES,
        distance=st.just("ordered"),
        order=st.permutations([*TREE, "nobody's"]),
    ),
    "hierarchical": st.builds(
        TCloseness,
        sensitive=st.just("grade"),
        t=_SHARES,
        distance=st.just("hierarchical"),
        hierarchy=st.sampled_from([TREE, _FLAT]),
    ),
}
OF_POPULATIONS = {
    "map": st.builds(KMap, k=st.integers(2, 12), population=st.just(_NOTHING)),
    "presence": st.one_of(
        st.builds(DeltaPresence, low=st.just(0.0), high=_SHARES, population=st.just(_NOTHING)),
        st.builds(
            DeltaPresence,
            low=st.sampled_from([0.2, 0.25]),
            high=st.sampled_from([0.4, 0.5, 0.75]),
            population=st.just(_NOTHING),
        ),
    ),
}
MODELS = OF_CLASSES | OF_POPULATIONS
ANY_MODEL = st.one_of(*MODELS.values())


def agrees(one, other, missing):
    """Whether two shown rows are of one class."""
    wild = missing == "wildcard"
    return all(
        a == b or (wild and (a is None or b is None)) for a, b in zip(one, other, strict=True)
    )
