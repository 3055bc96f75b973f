"""Documentation is executed: README's Python blocks and the examples in docstrings print what they say."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import microtrain

README = Path(__file__).parents[1] / "README.md"
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(microtrain.__path__, "microtrain.")
    if not module.name.startswith(("microtrain.kernels", "microtrain.cli")) and not module.name.endswith("__main__")
)


def test_readme_prints_what_it_says():
    failed, tried = doctest.testfile(str(README), module_relative=False, optionflags=OPTIONS, encoding="utf-8")
    assert failed == 0 and tried > 8


def test_readme_has_the_two_commands_and_its_picture_exists():
    text = README.read_text(encoding="utf-8")
    commands = re.search(r"<!-- commands -->(.*?)<!-- end -->", text, flags=re.S)
    assert commands and len(re.findall(r"^python -m pip install .*$", commands.group(1), flags=re.M)) == 2
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text):
        assert (README.parent / picture).is_file()
    for path in re.findall(r"`((?:microtrain|tutorials|tests)/[\w./]*)`", text):
        assert (README.parent / path).exists(), path


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert failed == 0
