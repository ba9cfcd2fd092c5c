"""The partners' secrets: the linkage secret they share and each party's own token key.

Runs inside a party and never elsewhere; no other zone can import it.
"""

from linkkit.partner.keys.derive import derive_key, key_check
from linkkit.partner.keys.secret import Secret, TokenKey

__all__ = ["Secret", "TokenKey", "derive_key", "key_check"]
