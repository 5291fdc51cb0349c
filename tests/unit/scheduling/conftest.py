# SPDX-License-Identifier: Apache-2.0
from tests.unit import database

db = database.db
