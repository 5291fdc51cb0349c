# SPDX-License-Identifier: Apache-2.0
import sys

from lab.cli import main

sys.exit(main())
