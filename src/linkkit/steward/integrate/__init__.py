"""Join the parties' payloads on the crosswalk: one row for each person, for one project.

The steward runs it. Payload extracts and a crosswalk come in, an `IntegratedDataset` goes
out, which is not protected and stays with the steward.
"""

from linkkit.steward.integrate.dataset import IntegratedDataset
from linkkit.steward.integrate.join import integrate
from linkkit.steward.integrate.study_id import StudyKey

__all__ = ["IntegratedDataset", "StudyKey", "integrate"]
