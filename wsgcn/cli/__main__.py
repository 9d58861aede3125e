"""`python -m wsgcn.cli`, the same as `wsgcn`."""

import sys

from wsgcn.cli import main

if __name__ == "__main__":
    sys.exit(main())
