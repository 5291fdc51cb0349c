# SPDX-License-Identifier: Apache-2.0
"""The sample files in docs/ are what the code says today; ``make samples`` writes them anew."""

import runpy
from pathlib import Path

import pytest
from oslo_config import cfg
from oslo_config import generator as config_generator
from oslo_policy import generator as policy_generator

ROOT = Path(__file__).parents[2]


def _config(source: str, output: Path) -> None:
    conf = cfg.ConfigOpts()
    config_generator.register_cli_opts(conf)
    conf(["--config-file", source, "--output-file", str(output)])
    config_generator.generate(conf)


def _policy(source: str, output: Path) -> None:
    arguments = ["--config-file", source, "--output-file", str(output)]
    policy_generator.generate_sample(arguments, conf=cfg.ConfigOpts())


@pytest.mark.parametrize(
    ("generate", "source", "sample"),
    [
        (_config, "config-generator.conf", "tricircle.conf.sample"),
        (_policy, "policy-generator.conf", "policy.yaml.sample"),
    ],
)
def test_a_sample_is_up_to_date(generate, source, sample, tmp_path: Path) -> None:
    made = tmp_path / sample
    generate(str(ROOT / "etc" / source), made)
    assert made.read_text() == (ROOT / "docs" / "samples" / sample).read_text(), "make samples"


def test_the_page_of_options_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "etc" / "options_page.py"))["page"]()
    assert made == (ROOT / "docs" / "options.md").read_text(), "make samples"
