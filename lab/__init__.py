# SPDX-License-Identifier: Apache-2.0
"""Real OpenStack pods on one machine, for the demo, the tests and the benchmarks."""
