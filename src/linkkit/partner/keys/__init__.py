"""The partners' secrets: the linkage secret they share and each party's own token key.

Runs inside a party and never elsewhere; no other zone can import it.
"""

from linkkit.partner.keys.clkhash_secret import ClkhashSecret
from linkkit.partner.keys.contribute import (
    Contribution,
    combine_contributions,
    commit_contribution,
    reveal_contribution,
)
from linkkit.partner.keys.deliver import deliver_secret, receive_secret
from linkkit.partner.keys.derive import (
    KeyScope,
    derive_key,
    encoding_key,
    key_check,
    secret_check,
)
from linkkit.partner.keys.passphrase import Passphrase
from linkkit.partner.keys.secret import Secret, TokenKey
from linkkit.partner.keys.sources import KeyService

__all__ = [
    "ClkhashSecret",
    "Contribution",
    "KeyScope",
    "KeyService",
    "Passphrase",
    "Secret",
    "TokenKey",
    "combine_contributions",
    "commit_contribution",
    "deliver_secret",
    "derive_key",
    "encoding_key",
    "key_check",
    "receive_secret",
    "reveal_contribution",
    "secret_check",
]
