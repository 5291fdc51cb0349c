# SPDX-License-Identifier: Apache-2.0
"""Which pod a new resource goes to: filters leave pods out, weighers order the rest."""
