# SPDX-License-Identifier: Apache-2.0
from tests import database

db = database.db
