# SPDX-License-Identifier: Apache-2.0
"""Started by `lazyllm report`; needs numpy and matplotlib."""

import sys

from lazyllm_report.main import main

sys.exit(main())
