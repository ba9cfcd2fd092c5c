"""Check the frozen vectors of keys with nothing but the standard library.

A second, independent implementation: HKDF (RFC 5869), Argon2id (RFC 9106), X25519 (RFC 7748),
Ed25519 (RFC 8032), ChaCha20-Poly1305 (RFC 8439) and HPKE (RFC 9180) are written out below,
from those documents, and checked against their own vectors first. It imports nothing of linkkit
and is far too slow, and not constant-time, for anything but this.

    python tests/vectors/verify_keys.py            a few seconds
    python tests/vectors/verify_keys.py --slow     Argon2id with all of its memory: minutes
"""

import base64
import hashlib
import hmac
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
MASK = 2**64 - 1
P = 2**255 - 19


def check(one, other, what):
    if one != other:
        raise SystemExit(f"WRONG: {what}: {one!r} is not {other!r}")


# --- HKDF, RFC 5869 --------------------------------------------------------------------------


def extract(salt, material):
    return hmac.digest(salt or bytes(32), material, "sha256")


def expand(key, info, n_bytes):
    output, block, counter = b"", b"", 1
    while len(output) < n_bytes:
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        output += block
        counter += 1
    return output[:n_bytes]


def prefixed(*parts):
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def sub_key(material, labels, n_bytes):
    info = prefixed(*(label.encode() for label in labels))
    return expand(extract(b"linkkit key derivation 1", material), info, n_bytes)


# --- Argon2id, RFC 9106 ----------------------------------------------------------------------


def le32(number):
    return number.to_bytes(4, "little")


def long_hash(content, n_bytes):
    if n_bytes <= 64:
        return hashlib.blake2b(le32(n_bytes) + content, digest_size=n_bytes).digest()
    block = hashlib.blake2b(le32(n_bytes) + content).digest()
    output = block[:32]
    while n_bytes - len(output) > 64:
        block = hashlib.blake2b(block).digest()
        output += block[:32]
    return output + hashlib.blake2b(block, digest_size=n_bytes - len(output)).digest()


def permute(v, at):
    """Apply the permutation P of section 3.6 to the 16 words of a block at these places."""
    for i, j, k, m in (
        *((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)),
        *((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)),
    ):
        a, b, c, d = v[at[i]], v[at[j]], v[at[k]], v[at[m]]
        for one, two in ((32, 24), (16, 63)):
            a = (a + b + 2 * (a & 0xFFFFFFFF) * (b & 0xFFFFFFFF)) & MASK
            d ^= a
            d = (d >> one | d << (64 - one)) & MASK
            c = (c + d + 2 * (c & 0xFFFFFFFF) * (d & 0xFFFFFFFF)) & MASK
            b ^= c
            b = (b >> two | b << (64 - two)) & MASK
        v[at[i]], v[at[j]], v[at[k]], v[at[m]] = a, b, c, d


ROWS = [list(range(16 * i, 16 * i + 16)) for i in range(8)]
COLUMNS = [[16 * r + 2 * i + j for r in range(8) for j in (0, 1)] for i in range(8)]


def compress(x, y):
    r = [a ^ b for a, b in zip(x, y, strict=True)]
    z = r.copy()
    for at in (*ROWS, *COLUMNS):
        permute(z, at)
    return [a ^ b for a, b in zip(r, z, strict=True)]


def block_of(content):
    return [int.from_bytes(content[i : i + 8], "little") for i in range(0, 1024, 8)]


def argon2id(password, salt, *, lanes, length, memory, passes, secret=b"", data=b""):
    numbers = (lanes, length, memory, passes, 0x13, 2)
    fields = (password, salt, secret, data)
    start = hashlib.blake2b(
        b"".join(map(le32, numbers)) + b"".join(le32(len(x)) + x for x in fields)
    ).digest()
    segment = memory // (4 * lanes)
    columns = 4 * segment
    blocks = [[None] * columns for _ in range(lanes)]
    for lane in range(lanes):
        for column in (0, 1):
            first = long_hash(start + le32(column) + le32(lane), 1024)
            blocks[lane][column] = block_of(first)
    for turn in range(passes):
        for part in range(4):
            for lane in range(lanes):
                fill(blocks, turn=turn, part=part, lane=lane, passes=passes)
    last = [0] * 128
    for lane in blocks:
        last = [a ^ b for a, b in zip(last, lane[-1], strict=True)]
    return long_hash(b"".join(word.to_bytes(8, "little") for word in last), length)


def fill(blocks, *, turn, part, lane, passes):
    lanes, columns, zero = len(blocks), len(blocks[0]), [0] * 128
    segment = columns // 4
    by_place = turn == 0 and part < 2
    begin = 2 if turn == 0 and part == 0 else 0
    addresses = zero
    rule = [turn, lane, part, lanes * columns, passes, 2, 0] + [0] * 121
    for i in range(segment):
        if by_place and (i % 128 == 0 or i == begin):
            rule[6] = i // 128 + 1
            addresses = compress(zero, compress(zero, rule))
        if i < begin:
            continue
        column = part * segment + i
        before = blocks[lane][column - 1]
        pseudo = addresses[i % 128] if by_place else before[0]
        j1, j2 = pseudo & 0xFFFFFFFF, pseudo >> 32
        other = lane if turn == 0 and part == 0 else j2 % lanes
        if turn == 0:
            area = part * segment + (i - 1 if other == lane else (-1 if i == 0 else 0))
            start = 0
        else:
            area = columns - segment + (i - 1 if other == lane else (-1 if i == 0 else 0))
            start = (part + 1) % 4 * segment
        place = (start + area - 1 - (area * (j1 * j1 >> 32) >> 32)) % columns
        new = compress(before, blocks[other][place])
        if turn:
            new = [a ^ b for a, b in zip(new, blocks[lane][column], strict=True)]
        blocks[lane][column] = new


# --- X25519, RFC 7748; Ed25519, RFC 8032 -----------------------------------------------------


def x25519(private, public):
    k = bytearray(private)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    k, u = int.from_bytes(k, "little"), int.from_bytes(public, "little") % 2**255
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a % P, c * b % P, a * a % P, b * b % P
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        e = aa - bb
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


D = -121665 * pow(121666, P - 2, P) % P
ORDER = 2**252 + 27742317777372353535851937790883648493


def add(p, q):
    (x1, y1), (x2, y2) = p, q
    cross = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + cross, P - 2, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - cross, P - 2, P)
    return x % P, y % P


def times(n, p):
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, p)
        p, n = add(p, p), n >> 1
    return result


def point(raw):
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y % 2**255
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    check(x * x % P, square, "a point of Ed25519")
    return (P - x if x & 1 != sign else x), y


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_verifies(public, message, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(r + public + message).digest(), "little") % ORDER
    return s < ORDER and times(s, BASE) == add(point(r), times(h, point(public)))


def ed25519_public(seed):
    a = bytearray(hashlib.sha512(seed).digest()[:32])
    a[0] &= 248
    a[31] = a[31] & 127 | 64
    x, y = times(int.from_bytes(a, "little"), BASE)
    return (y | (x & 1) << 255).to_bytes(32, "little")


# --- ChaCha20-Poly1305, RFC 8439; HPKE, RFC 9180 ---------------------------------------------


def chacha_block(key, counter, nonce):
    words = b"expand 32-byte k" + key + counter.to_bytes(4, "little") + nonce
    start = [int.from_bytes(words[i : i + 4], "little") for i in range(0, 64, 4)]
    v = start.copy()
    columns = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
    diagonals = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
    for _ in range(10):
        for i, j, k, m in (*columns, *diagonals):
            for one, two in ((16, 12), (8, 7)):
                v[i] = (v[i] + v[j]) & 0xFFFFFFFF
                v[m] ^= v[i]
                v[m] = (v[m] << one | v[m] >> (32 - one)) & 0xFFFFFFFF
                v[k] = (v[k] + v[m]) & 0xFFFFFFFF
                v[j] ^= v[k]
                v[j] = (v[j] << two | v[j] >> (32 - two)) & 0xFFFFFFFF
    return b"".join(le32((a + b) & 0xFFFFFFFF) for a, b in zip(start, v, strict=True))


def aead_open(key, nonce, sealed, data):
    """Return the content, or None if the tag is wrong."""
    sealed, tag = sealed[:-16], sealed[-16:]
    one_time = chacha_block(key, 0, nonce)
    r = int.from_bytes(one_time[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    s = int.from_bytes(one_time[16:32], "little")
    padded = b"".join(x + bytes(-len(x) % 16) for x in (data, sealed))
    padded += len(data).to_bytes(8, "little") + len(sealed).to_bytes(8, "little")
    total = 0
    for i in range(0, len(padded), 16):
        total = (total + int.from_bytes(padded[i : i + 16] + b"\x01", "little")) * r
        total %= 2**130 - 5
    if ((total + s) % 2**128).to_bytes(16, "little") != tag:
        return None
    stream = b"".join(chacha_block(key, i + 1, nonce) for i in range(-(-len(sealed) // 64)))
    return bytes(a ^ b for a, b in zip(sealed, stream, strict=False))


def hpke_open(enc, sealed, private, info):
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"
    public = x25519(private, (9).to_bytes(32, "little"))

    def labeled(name, salt, label, material):
        return extract(salt, b"HPKE-v1" + name + label + material)

    def stretched(name, key, label, context, n):
        return expand(key, n.to_bytes(2, "big") + b"HPKE-v1" + name + label + context, n)

    key = labeled(kem, b"", b"eae_prk", x25519(private, enc))
    shared = stretched(kem, key, b"shared_secret", enc + public, 32)
    context = b"\x00" + labeled(suite, b"", b"psk_id_hash", b"")
    context += labeled(suite, b"", b"info_hash", info)
    secret = labeled(suite, shared, b"secret", b"")
    nonce = stretched(suite, secret, b"base_nonce", context, 12)
    return aead_open(stretched(suite, secret, b"key", context, 32), nonce, sealed, b"")


def open_file(file, private, sender):
    """Verify and open a sealed file of linkkit, by the layout that its documentation states."""
    signed, signature = file[:-64], file[-64:]
    check(ed25519_verifies(sender, hashlib.sha256(signed).digest(), signature), True, "signature")
    magic = b"linkkit sealed file 1\n"
    check(signed[: len(magic)], magic, "magic")
    n_header = int.from_bytes(signed[22:26], "big")
    header, body = signed[26 : 26 + n_header], signed[26 + n_header :]
    content = json.loads(header)
    wrapped = [base64.b64decode(text) for text in content["keys"]]
    keys = [hpke_open(w[:32], w[32:], private, b"linkkit file key 1") for w in wrapped]
    (file_key,) = [key for key in keys if key is not None]
    data = hashlib.sha256(magic + header).digest()
    return json.loads(content["manifest"]), aead_open(file_key, bytes(11) + b"\x01", body, data)


# --- The documents' own vectors --------------------------------------------------------------


def check_rfcs():
    key = extract(bytes(range(13)), b"\x0b" * 22)
    check(expand(key, bytes(range(0xF0, 0xFA)), 42).hex()[:16], "3cb25f25faacd57a", "RFC 5869 A.1")
    rfc_9106 = argon2id(
        b"\x01" * 32, b"\x02" * 16, secret=b"\x03" * 8, data=b"\x04" * 12,
        lanes=4, length=32, memory=32, passes=3,
    )  # fmt: skip
    check(
        rfc_9106.hex(),
        "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659",
        "RFC 9106, section 5.3",
    )
    check(
        x25519(
            bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
            bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
        ).hex(),
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        "RFC 7748, section 5.2",
    )
    check(
        ed25519_public(
            bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
        ).hex(),
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "RFC 8032, section 7.1",
    )
    opened = hpke_open(
        bytes.fromhex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"),
        bytes.fromhex(
            "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
        ),
        bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb"),
        b"Ode on a Grecian Urn",
    )
    # That vector has associated data, which ours have not, so its tag alone differs.
    check(opened, None, "RFC 9180 A.2.1 without its associated data")


# --- linkkit's vectors -----------------------------------------------------------------------


def read(name):
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def check_derivations():
    vectors = read("keys_derivation.json")
    for case in vectors["sub_keys"]:
        made = sub_key(bytes.fromhex(case["key"]), case["labels"], case["n_bytes"])
        check(made.hex(), case["sub_key"], f"sub-key of {case['labels']}")
    for case in vectors["scopes"]:
        epoch = [] if case["epoch"] == 1 else [f"epoch {case['epoch']}"]
        scope = [case["agreement_id"], *epoch, case["spec_digest"]]
        passes = [] if case["pass_name"] is None else [case["pass_name"]]
        key = bytes.fromhex(case["secret"])
        labels = [case["purpose"], *scope, case["field"], *passes]
        check(sub_key(key, labels, 32).hex(), case["encoding_key"], f"key of {labels}")
        check(sub_key(key, ["key-check", *scope], 16).hex(), case["key_check"], "key check")
    for case in vectors["secret_checks"]:
        labels = ["secret-check", case["agreement_id"], f"epoch {case['epoch']}"]
        check(sub_key(bytes.fromhex(case["secret"]), labels, 16).hex(), case["check"], "check")


def check_contributions():
    for case in read("keys_contributions.json")["cases"]:
        names = (case["agreement_id"], case["epoch"])
        bound = (names[0].encode(), str(names[1]).encode())
        parts, shares, reveals = [], [], []
        for party in sorted(case["parties"]):
            given = case["parties"][party]
            own = (names[0], f"epoch {names[1]}", party)
            seed = bytes.fromhex(given["contribution"])
            share = sub_key(seed, ("contribution-share", *own), 32)
            nonce = sub_key(seed, ("contribution-nonce", *own), 32)
            label = b"linkkit commitment 1"
            commitment = hashlib.sha256(prefixed(label, *bound, party.encode(), nonce, share))
            check(commitment.hexdigest(), given["commitment"], f"commitment of {party}")
            parts += [party.encode(), commitment.digest()]
            shares.append(prefixed(party.encode(), share))
            reveals.append((share + nonce, given["reveal"]))
        seen = hashlib.sha256(prefixed(b"linkkit commitments 1", *bound, *parts)).digest()
        for opening, reveal in reveals:
            check((opening + seen).hex(), reveal, "reveal")
        key = extract(b"linkkit combined secret 1", b"".join(shares))
        secret = expand(key, prefixed(b"linkage-secret", *bound), 32)
        check(secret.hex(), case["secret"], "combined secret")


def check_passphrases(slow):
    for case in read("keys_passphrases.json")["cases"]:
        parts = (
            b"linkkit passphrase 1",
            case["agreement_id"].encode(),
            str(case["epoch"]).encode(),
        )
        salt = hashlib.sha256(prefixed(*parts)).digest()
        check(salt.hex(), case["salt"], "salt of a passphrase")
        if slow:
            made = argon2id(
                case["passphrase_utf8"].encode(), salt, lanes=4, length=32, memory=65536, passes=3
            )
            check(made.hex(), case["secret"], "stretched passphrase")


def check_deliveries():
    vectors = read("keys_delivery.json")
    seeds = {name: bytes.fromhex(seed) for name, seed in vectors["identities"].items()}
    for case in vectors["cases"]:
        sender = ed25519_public(expand(seeds[case["sender"]], b"linkkit identity 1 sign", 32))
        for name in case["recipients"]:
            private = expand(seeds[name], b"linkkit identity 1 seal", 32)
            manifest, content = open_file(base64.b64decode(case["file"]), private, sender)
            check(content.hex(), case["secret"], "delivered secret")
            check(manifest["sender"], case["sender"], "sender")
            check(manifest["epoch"], case["epoch"], "epoch")
            check(manifest["key_check"], case["check"], "check value of a delivery")


def main(arguments):
    check_rfcs()
    check_derivations()
    check_contributions()
    check_passphrases("--slow" in arguments)
    check_deliveries()
    sys.stdout.write("All vectors of keys are right.\n")


if __name__ == "__main__":
    main(sys.argv[1:])
