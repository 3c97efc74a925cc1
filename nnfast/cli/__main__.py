"""`python -m nnfast.cli` is `nnfast`."""

import sys

from nnfast.cli import main

sys.exit(main())
