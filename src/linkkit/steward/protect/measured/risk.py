"""Prosecutor, journalist and marketer risk, and who is alone: from class sizes.

Pure: counts in, numbers out. Definitions: K. El Emam, "Guide to the De-Identification of
Personal Health Information", 2013; F. Dankar and K. El Emam, "A method for evaluating marketer
re-identification risk", 2010.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from linkkit.errors import OptionError
from linkkit.steward.protect.measured.population import (
    chance_of_at_most,
    estimate_population_uniques,
    expected_inverse,
)
from linkkit.steward.protect.measured.report import (
    ClassCounts,
    PopulationUniques,
    RecordRisk,
    RiskFigures,
    RiskReport,
    SizeBand,
)

__all__ = ["measure_risk", "risk_figures"]

DEFAULT_THRESHOLD = 0.2

_BAND_STARTS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
_SLACK = 1e-9

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def measure_risk(
    before: ClassCounts,
    after: ClassCounts,
    *,
    k: int | None = None,
    threshold: float | None = None,
    sampling_fraction: float | None = None,
) -> RiskReport:
    """Compare the risk of a file before and after it was protected.

    Parameters
    ----------
    before, after : ClassCounts
        The classes of each.
    k : int, optional
        The k that was promised.
    threshold : float, optional
        The chance above which a person counts as being at risk; ``1 / k`` by default, or 0.2
        without a k.
    sampling_fraction : float, optional
        The people of the file over those of the population that they come from, above 0 and
        up to 1. Not with a known population.

    Raises
    ------
    OptionError
        When `threshold` or `sampling_fraction` is not a share, or a population is known.
    """
    if threshold is None:
        threshold = DEFAULT_THRESHOLD if k is None else 1 / k
    _require_share("threshold", threshold, hint="For example 0.2, one in five.")
    if sampling_fraction is not None:
        _require_share("sampling_fraction", sampling_fraction, hint="For example 0.05.")
        if before.population:
            raise OptionError(
                "'sampling_fraction' is given and the population is known from the models",
                hint="Leave it out: the people of the population are counted.",
            )
    return RiskReport(
        threshold=float(threshold),
        sampling_fraction=None if sampling_fraction is None else float(sampling_fraction),
        before=risk_figures(before, threshold=threshold, sampling_fraction=sampling_fraction),
        after=risk_figures(after, threshold=threshold, sampling_fraction=sampling_fraction),
    )


def _require_share(name: str, value: object, *, hint: str) -> None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not 0 < float(value) <= 1:  # type: ignore[arg-type]
        raise OptionError(f"'{name}' must be a number above 0 and at most 1", hint=hint)


def risk_figures(
    classes: ClassCounts, *, threshold: float, sampling_fraction: float | None = None
) -> RiskFigures:
    """Measure the risk of one file.

    With ``f`` people in a class and ``F`` people of the population who fit it, over the ``n``
    people of the file:

    - prosecutor: the chance is ``1 / f``; its average is the number of classes over ``n``;
    - journalist: the chance is ``1 / F``; its average is the larger of the number of classes
      over the sum of ``F``, for an attacker who draws from the population, and of the sum of
      ``f / F`` over ``n``, for one who draws from the file;
    - marketer: the sum of ``f / F`` over ``n``.

    Where only a sampling fraction is known, ``1 / F`` is its expectation, and the share above
    the threshold is expected, too.

    Parameters
    ----------
    classes : ClassCounts
        The classes.
    threshold : float
        The chance above which a person counts as being at risk.
    sampling_fraction : float, optional
        For a population that is not known.

    Examples
    --------
    >>> classes = ClassCounts(sizes=(1, 2, 3), fits=(1, 2, 3), population=(), n_classes=(1, 1, 1))
    >>> found = risk_figures(classes, threshold=0.4)
    >>> found.prosecutor
    RecordRisk(highest=1.0, average=0.5, share_above=0.5)
    >>> found.sample_uniques, found.journalist
    (1, None)
    """
    sizes, fits = _array(classes.sizes), _array(classes.fits)
    n_classes, people = _array(classes.n_classes), _array(classes.sizes) * _array(classes.n_classes)
    prosecutor = _counted_risk(1 / np.maximum(fits, 1), people, threshold)
    journalist, marketer = None, prosecutor.average
    if classes.population:
        population = np.maximum(_array(classes.population), fits)
        journalist = _counted_risk(1 / population, people, threshold)
        marketer = journalist.average
        by_person = n_classes.sum() / max(1, (population * n_classes).sum())
        journalist = _with_average(journalist, by_person)
    elif sampling_fraction is not None:
        journalist = _expected_risk(fits, people, threshold, sampling_fraction)
        marketer = journalist.average
        by_person = sampling_fraction * n_classes.sum() / max(1, people.sum())
        journalist = _with_average(journalist, by_person)
    return RiskFigures(
        n_people=int(people.sum()),
        n_classes=int(n_classes.sum()),
        smallest_class=int(fits.min(initial=np.iinfo(np.int64).max)) if len(fits) else 0,
        prosecutor=prosecutor,
        journalist=journalist,
        marketer=marketer,
        sample_uniques=int(n_classes[fits == 1].sum()),
        population_uniques=_uniques(classes, sampling_fraction),
        class_sizes=_bands(sizes, n_classes),
    )


def _array(values: tuple[int, ...]) -> Integers:
    return np.array(values, dtype=np.int64)


def _counted_risk(chance: Floats, people: Integers, threshold: float) -> RecordRisk:
    n = max(1, int(people.sum()))
    return RecordRisk(
        highest=float(chance.max(initial=0.0)),
        average=math.fsum(chance * people) / n,
        share_above=float(people[chance > threshold * (1 + _SLACK)].sum()) / n,
    )


def _expected_risk(
    fits: Integers, people: Integers, threshold: float, sampling_fraction: float
) -> RecordRisk:
    n = max(1, int(people.sum()))
    chance = expected_inverse(fits, sampling_fraction=sampling_fraction)
    largest = math.ceil(1 / threshold - _SLACK) - 1
    above = chance_of_at_most(largest, fits, sampling_fraction=sampling_fraction)
    return RecordRisk(
        highest=float(chance.max(initial=0.0)),
        average=math.fsum(chance * people) / n,
        share_above=math.fsum(above * people) / n,
    )


def _with_average(risk: RecordRisk, other: float) -> RecordRisk:
    return RecordRisk(
        highest=risk.highest,
        average=max(risk.average, float(other)),
        share_above=risk.share_above,
    )


def _uniques(classes: ClassCounts, sampling_fraction: float | None) -> PopulationUniques | None:
    n_classes = _array(classes.n_classes)
    if classes.population:
        alone = np.maximum(_array(classes.population), _array(classes.fits)) == 1
        return PopulationUniques(
            in_population=None, in_file=float(n_classes[alone].sum()), model="counted"
        )
    if sampling_fraction is None:
        return None
    sizes, place = np.unique(_array(classes.fits), return_inverse=True)
    counts = np.bincount(place.ravel(), weights=n_classes, minlength=len(sizes))
    return estimate_population_uniques(
        sizes, counts.astype(np.int64), sampling_fraction=sampling_fraction
    )


def _bands(sizes: Integers, n_classes: Integers) -> tuple[SizeBand, ...]:
    place = np.searchsorted(_BAND_STARTS, sizes, side="right") - 1
    classes = np.bincount(place, weights=n_classes, minlength=len(_BAND_STARTS))
    people = np.bincount(place, weights=n_classes * sizes, minlength=len(_BAND_STARTS))
    ends = [start - 1 for start in _BAND_STARTS[1:]]
    return tuple(
        SizeBand(lowest=low, highest=high, n_classes=int(n), n_people=int(m))
        for low, high, n, m in zip(
            _BAND_STARTS, [*ends, None], classes.tolist(), people.tolist(), strict=True
        )
    )
