"""scripts/bench memory: see its --help."""

import sys

from main import main

sys.exit(main())
