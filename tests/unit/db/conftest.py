# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.unit import database

pytestmark = pytest.mark.usefixtures("db")
db = database.db
