"""``python -m linkkit`` does what the command ``linkkit`` does."""

from linkkit.cli import main

if __name__ == "__main__":
    main()
