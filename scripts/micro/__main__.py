"""scripts/bench micro, small, large, ...: see their --help."""

import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), os.pardir, "figures"))

from main import main  # noqa: E402

sys.exit(main())
