"""Rules of a law or standard as ready-made settings; each names its source."""
