"""The steward zone: payload without names becomes a data set that may be analyzed.

Three steps, each a package: `integrate` joins the parties' payloads on the crosswalk,
`protect` makes the result k-anonymous, `release` writes and checks the files. Nothing in
here can reach a name, a linkage key or an encoding.
"""
