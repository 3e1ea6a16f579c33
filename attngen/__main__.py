"""`python -m attngen` is the command line."""

from attngen.cli import main

if __name__ == "__main__":  # processes that check kernels import this file again
    main()
