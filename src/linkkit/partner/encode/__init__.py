"""Encodes standardized records: keyed filters for the linkage unit, payload for the steward.

Runs inside a party, last. In: an extract, the agreement, the linkage secret. Out: what may
leave (``encodings``, ``payload``) and what stays home (``token_map``, ``set_aside``).
"""

from linkkit.partner.encode.extract import encode
from linkkit.partner.encode.prepared import encoding_spec
from linkkit.partner.encode.results import EncodeResult, EncodingReport, TokenMap
from linkkit.partner.encode.stream import EncodedFiles, encode_file

__all__ = [
    "EncodeResult",
    "EncodedFiles",
    "EncodingReport",
    "TokenMap",
    "encode",
    "encode_file",
    "encoding_spec",
]
