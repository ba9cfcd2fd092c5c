"""What is left of each quasi-identifier: penalties, entropy, class sizes, shifted shares.

Pure: a :class:`~linkkit.steward.protect.measured.measurable.Measurable` in, numbers out.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.measured.measurable import Measurable, Variable
from linkkit.steward.protect.measured.report import UtilityReport, VariableUtility

__all__ = [
    "average_class_ratio",
    "discernibility",
    "entropy_loss",
    "measure_utility",
    "total_variation",
]

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def measure_utility(of: Measurable) -> UtilityReport:
    """Measure what is left of a table; all figures count rows."""
    n_withheld = of.n_rows - of.n_kept
    cost = discernibility(of.after.rows, n_withheld=n_withheld, n_rows=of.n_rows)
    variables = tuple(_variable(of, i) for i in range(len(of.variables)))
    return UtilityReport(
        information_loss=of.information_loss,
        information_loss_kept=math.fsum(v.information_loss for v in variables) / len(variables),
        discernibility=cost,
        discernibility_share=cost / max(1, of.n_rows) ** 2,
        average_class_ratio=None if of.k is None else average_class_ratio(of.after.people, k=of.k),
        n_people=of.n_rows,
        n_withheld=n_withheld,
        variables=variables,
    )


def discernibility(sizes: Integers, *, n_withheld: int, n_rows: int) -> int:
    """Return the discernibility metric of Bayardo and Agrawal 2005.

    The square of each class's size, and the size of the file for each row withheld.

    Examples
    --------
    >>> import numpy as np
    >>> discernibility(np.array([3, 2]), n_withheld=1, n_rows=6)
    19
    """
    squares: int = sum(size * size for size in sizes.tolist())
    return squares + n_withheld * n_rows


def average_class_ratio(sizes: Integers, *, k: int) -> float | None:
    """Return C_avg of LeFevre et al. 2006: the mean class size over k; None without classes.

    Examples
    --------
    >>> import numpy as np
    >>> average_class_ratio(np.array([3, 5]), k=2)
    2.0
    """
    return float(sizes.mean()) / k if len(sizes) else None


def entropy_loss(totals: Integers, covered: Integers, values: Integers, rows: Integers) -> float:
    """Return the non-uniform entropy, as a share of what dropping the variable would lose.

    Gionis and Tassa 2009, "k-anonymization with minimal loss of information": who sees a label
    and knows how common values are lacks ``log2(people with any of its values / people with
    the value)`` bits of a value.

    Parameters
    ----------
    totals : ndarray of int64, shape (n_groups,)
        How many rows of the file have each value.
    covered : ndarray of int64, shape (n,)
        How many rows of the file have any of the values that are shown in place of one.
    values : ndarray of int64, shape (n,)
        The values.
    rows : ndarray of int64, shape (n,)
        How many rows are so.

    Examples
    --------
    >>> import numpy as np
    >>> totals = np.array([4, 2, 2])
    >>> shown_as = np.array([4, 4, 4])
    >>> entropy_loss(totals, shown_as, np.array([0, 1, 2]), totals)
    0.3333333333333333
    """
    mine = totals[values]
    lost = math.fsum((rows * np.log2(covered / mine)).tolist())
    most = math.fsum((rows * np.log2(totals.sum() / mine)).tolist())
    return min(1.0, lost / most) if most > 0 else 0.0


def total_variation(one: Floats | Integers, other: Floats | Integers) -> float:
    """Return half the sum of the differences of shares, from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> total_variation(np.array([1, 1]), np.array([3, 1]))
    0.25
    """
    if not one.sum() or not other.sum():
        return 0.0
    return float(np.abs(one / one.sum() - other / other.sum()).sum() / 2)


def _variable(of: Measurable, i: int) -> VariableUtility:
    variable = of.variables[i]
    values = of.codes[of.kept, i].astype(np.int64)
    labels, rows = variable.shown.of_items[of.kept], of.counts[of.kept]
    n = max(1, int(rows.sum()))
    covered = np.array(
        [variable.totals[list(covers)].sum() for covers in variable.shown.covers], dtype=np.int64
    )
    alone = np.array([len(covers) == 1 for covers in variable.shown.covers], dtype=np.bool_)
    stays = np.bincount(values, weights=rows, minlength=len(variable.totals))
    people: Floats = np.bincount(labels, weights=rows, minlength=len(covered)).astype(np.float64)
    return VariableUtility(
        variable=variable.shown.variable,
        information_loss=math.fsum((variable.shown.losses[of.kept] * rows).tolist()) / n,
        entropy_loss=entropy_loss(variable.totals, covered[labels], values, rows),
        n_values=int((variable.totals > 0).sum()),
        n_labels=int((people > 0).sum()),
        share_unchanged=float(rows[alone[labels]].sum()) / n,
        shift_by_withholding=total_variation(variable.totals, stays),
        shift_as_read=total_variation(variable.totals, _as_read(variable, people)),
    )


def _as_read(variable: Variable, people: Floats) -> Floats:
    """Spread the people of each label evenly over the values that it stands for."""
    result = np.zeros(len(variable.totals))
    for label, n in enumerate(people.tolist()):
        if n:
            covers = list(variable.shown.covers[label])
            share = variable.sizes[covers] / variable.sizes[covers].sum()
            result[covers] += n * share
    return result
