"""How many people of a population are alone with their combination, estimated from a sample.

Pure: the class sizes of a sample in, numbers out. Each model is an assumption about how class
sizes are spread in the population; none is right for all data, which is why
:func:`estimate_population_uniques` follows a rule that was found by simulation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares, minimize
from scipy.special import expit, gammaln, hyp2f1
from scipy.stats import hypergeom, nbinom

from linkkit.steward.protect.measured.report import PopulationUniques

__all__ = [
    "chance_of_at_most",
    "estimate_population_uniques",
    "expected_inverse",
    "pitman_uniques",
    "slide_negative_binomial_uniques",
    "zayatz_uniques",
]

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SMALL_FRACTION = 0.1
"""Up to this sampling fraction the rule takes Pitman's model (Dankar et al. 2012)."""

_FITTED = 1e-12
_LARGE = 50
_N_TERMS = 40
_MODELS: dict[Literal["pitman", "slide negative binomial", "zayatz"], str] = {
    "pitman": "pitman",
    "slide negative binomial": "slide_negative_binomial",
    "zayatz": "zayatz",
}


def estimate_population_uniques(
    sizes: Integers, n_classes: Integers, *, sampling_fraction: float
) -> PopulationUniques:
    """Estimate the uniques of a population by the rule of Dankar et al. 2012.

    Up to a sampling fraction of 0.1 Pitman's model; above, the smaller of the slide negative
    binomial model and Zayatz's. Where the model that the rule asks for could not be fitted,
    Zayatz's, which needs no fitting.

    Parameters
    ----------
    sizes, n_classes : ndarray of int64, shape (n_sizes,)
        The sizes of classes in the sample, each once, and how many classes have each.
    sampling_fraction : float
        The people of the sample over those of the population, above 0 and up to 1.

    Examples
    --------
    >>> import numpy as np
    >>> sizes, n_classes = np.array([1, 2, 3, 10]), np.array([400, 150, 80, 50])
    >>> found = estimate_population_uniques(sizes, n_classes, sampling_fraction=0.05)
    >>> found.model, found.not_fitted
    ('pitman', ())
    """
    uniques = int(n_classes[sizes == 1].sum())
    if not uniques or sampling_fraction >= 1:
        return PopulationUniques(
            in_population=float(uniques), in_file=float(uniques), model="counted"
        )
    estimators: dict[str, Callable[..., float | None]] = {
        "pitman": pitman_uniques,
        "slide negative binomial": slide_negative_binomial_uniques,
        "zayatz": zayatz_uniques,
    }
    found = {
        name: estimate(sizes, n_classes, sampling_fraction=sampling_fraction)
        for name, estimate in estimators.items()
    }
    chosen = _choice(found, sampling_fraction)
    value = found[chosen]
    return PopulationUniques(
        in_population=value,
        in_file=None if value is None else min(float(uniques), value * sampling_fraction),
        model=chosen,
        not_fitted=tuple(name for name, estimate in found.items() if estimate is None),
        **{field: found[name] for name, field in _MODELS.items()},
    )


def _choice(
    found: dict[str, float | None], sampling_fraction: float
) -> Literal["pitman", "slide negative binomial", "zayatz"]:
    if sampling_fraction <= SMALL_FRACTION:
        return "zayatz" if found["pitman"] is None else "pitman"
    slide, zayatz = found["slide negative binomial"], found["zayatz"]
    if slide is None or (zayatz is not None and zayatz < slide):
        return "zayatz"
    return "slide negative binomial"


def zayatz_uniques(
    sizes: Integers, n_classes: Integers, *, sampling_fraction: float
) -> float | None:
    """Estimate by Zayatz 1991: class sizes are spread in the population as in the sample.

    By Bayes' rule that gives the chance that a unique of the sample is one of the population.

    Returns
    -------
    float or None
        The people of the population who are alone; None where the sample has no classes.
    """
    n = int((sizes * n_classes).sum())
    if not n:
        return None
    chance = hypergeom.pmf(1, max(n, round(n / sampling_fraction)), sizes, n)
    weight = n_classes * chance
    if not weight.sum():
        return None
    is_one = sizes == 1
    alone = float(weight[is_one].sum() / weight.sum())
    return float(n_classes[is_one].sum()) * alone / sampling_fraction


def pitman_uniques(
    sizes: Integers, n_classes: Integers, *, sampling_fraction: float
) -> float | None:
    """Estimate by Pitman's sampling formula with two parameters (Hoshino 2001).

    The parameters are those of maximum likelihood. The uniques of the population are their
    exact expectation, ``N * G(t+1) G(t+a+N-1) / (G(t+a) G(t+N))``, which for large ``N`` is
    the usual ``N**a * G(t+1) / G(t+a)``.

    Returns
    -------
    float or None
        The people of the population who are alone; None where the likelihood has no largest
        value inside its bounds, as where all people of the sample are alone.
    """
    n, n_found = float((sizes * n_classes).sum()), float(n_classes.sum())
    if n_found in (n, 1.0) or not n:
        return None
    ranks = np.arange(1.0, n_found)

    def unlikelihood(point: Floats) -> float:
        theta, alpha = float(np.exp(point[0])), float(expit(point[1]))
        log_likelihood = (
            np.log(theta + ranks * alpha).sum()
            - (gammaln(theta + n) - gammaln(theta + 1))
            + (n_classes * (gammaln(sizes - alpha) - gammaln(1 - alpha))).sum()
        )
        return float(-log_likelihood / n)

    fits = [
        minimize(
            unlikelihood,
            [np.log(n_found / 4), alpha],
            method="L-BFGS-B",
            bounds=[(-12, 30), (-14, 14)],
        )
        for alpha in (-2.0, 1.0)
    ]
    best = min(fits, key=lambda fit: float(fit.fun))
    if not best.success or not (-11.9 < best.x[0] < 29.9) or best.x[1] > 13.9:
        return None
    theta, alpha = float(np.exp(best.x[0])), float(expit(best.x[1]))
    people = n / sampling_fraction
    return float(
        np.exp(
            np.log(people)
            + (gammaln(theta + 1) - gammaln(theta + alpha))
            - _log_ratio(theta + people, 1 - alpha)
        )
    )


def _log_ratio(x: float, step: float) -> float:
    """Return ``log(G(x) / G(x - step))``; of large x the difference of two would be noise."""
    if x < 1e6:
        return float(gammaln(x) - gammaln(x - step))
    return float(step * np.log(x - (1 + step) / 2))


def slide_negative_binomial_uniques(
    sizes: Integers, n_classes: Integers, *, sampling_fraction: float
) -> float | None:
    """Estimate by the slide negative binomial model (Chen and Keller-McNulty 1998).

    The size of a class in the population is one more than a negative binomial number with
    parameters a and b, so that ``K * b**a`` of K classes have one person. K is Shlosser's
    estimate (Haas and Stokes 1998); a and b are such that as many classes with one and with
    two people are expected in the sample as were found.

    Returns
    -------
    float or None
        The people of the population who are alone; None where the equations have no solution.
    """
    ones, twos = (float(n_classes[sizes == size].sum()) for size in (1, 2))
    if not ones or not twos or sampling_fraction >= 1:
        return None
    classes = _shlosser_classes(sizes, n_classes, sampling_fraction)

    def misfit(point: Floats) -> Floats:
        a, b = float(np.exp(point[0])), float(expit(point[1]))
        thinned = b / (b + sampling_fraction * (1 - b))
        log_none, log_one, log_two = nbinom.logpmf(np.arange(3), a, thinned).tolist()
        taken, left = np.log(sampling_fraction), np.log1p(-sampling_fraction)
        expected = [
            np.logaddexp(left + log_one, taken + log_none) - np.log(ones),
            np.logaddexp(left + log_two, taken + log_one) - np.log(twos),
        ]
        return np.array(expected, dtype=np.float64) + float(np.log(classes))

    fits = [
        least_squares(misfit, [log_a, logit_b], bounds=([-12, -25], [12, 25]))
        for log_a in (-3.0, 0.0)
        for logit_b in (-4.0, 0.0)
    ]
    best = min(fits, key=lambda fit: float(fit.cost))
    if best.cost > _FITTED:
        return None
    a, b = float(np.exp(best.x[0])), float(expit(best.x[1]))
    return float(classes * np.exp(a * np.log(b)))


def _shlosser_classes(sizes: Integers, n_classes: Integers, fraction: float) -> float:
    """Return how many classes the population has: Shlosser's modified estimate."""
    log_left, log_square = np.log1p(-fraction), np.log1p(-(fraction**2))
    none = (n_classes * np.exp(sizes * log_left)).sum()
    one = (n_classes * sizes * fraction * np.exp((sizes - 1) * log_left)).sum()
    square = (n_classes * sizes * fraction**2 * np.exp((sizes - 1) * log_square)).sum()
    difference = (n_classes * (np.exp(sizes * log_square) - np.exp(sizes * log_left))).sum()
    ones = n_classes[sizes == 1].sum()
    return float(n_classes.sum() + ones * (square / difference) * (none / one) ** 2)


def expected_inverse(sizes: Integers, *, sampling_fraction: float) -> Floats:
    """Return the expected value of one over the size of a class in the population.

    Each person is in the sample with the same chance, and the people of the class who are not
    are a negative binomial number (Benedetti and Franconi 1998):
    ``(p / f) * 2F1(1, 1; f + 1; 1 - p)``, a sum of positive terms.

    Parameters
    ----------
    sizes : ndarray of int64
        The size f of each class in the sample, from 1.
    sampling_fraction : float
        The fraction p, above 0 and up to 1.

    Examples
    --------
    >>> import numpy as np
    >>> expected_inverse(np.array([1, 5]), sampling_fraction=0.5).round(4).tolist()
    [0.6931, 0.1098]
    """
    people = sizes.astype(np.float64)
    if sampling_fraction >= 1:
        return 1 / people
    series = np.empty(len(people))
    large = people > _LARGE
    series[~large] = hyp2f1(1.0, 1.0, people[~large] + 1, 1 - sampling_fraction)
    series[large] = _series(people[large], 1 - sampling_fraction)
    result: Floats = np.minimum(1 / people, sampling_fraction / people * series)
    return result


def _series(sizes: Floats, left: float) -> Floats:
    """Return ``2F1(1, 1; f + 1; left)`` where `f` is so large that few terms count.

    scipy's function overflows there.
    """
    term, total = np.ones(len(sizes)), np.ones(len(sizes))
    for m in range(_N_TERMS):
        term = term * left * (m + 1) / (sizes + 1 + m)
        total += term
    return total


def chance_of_at_most(largest: int, sizes: Integers, *, sampling_fraction: float) -> Floats:
    """Return the chance that a class has at most so many people in the population.

    Under the same assumption as :func:`expected_inverse`.

    Examples
    --------
    >>> import numpy as np
    >>> chance_of_at_most(4, np.array([1, 4, 5]), sampling_fraction=0.5).round(4).tolist()
    [0.9375, 0.0625, 0.0]
    """
    return np.asarray(nbinom.cdf(largest - sizes, sizes, sampling_fraction), dtype=np.float64)
