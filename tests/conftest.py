# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

from tests import database

database.spare_the_disk()
