"""`python -m jacchain` is the command line."""

from jacchain.cli import main

if __name__ == "__main__":
    main()
