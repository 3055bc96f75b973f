"""`microtrain doctor`."""

import os
import re
import stat
import sys

import pytest

from microtrain.cli.doctor import Finding, examine, report

layout = pytest.importorskip("microtrain.viz.graph.layout")


def state(findings: list[Finding], topic: str) -> Finding:
    (found,) = [finding for finding in findings if finding.topic == topic]
    return found


@pytest.fixture(autouse=True)
def fresh():
    layout.render.cache_clear()
    yield
    layout.render.cache_clear()


def test_everything_is_told():
    text = report(examine())
    topics = "microtrain", "Python", "system", "NumPy", "graphs", "Numba", "kernel tier", "kernel cache", "latex2mathml"
    for topic in topics:
        assert re.search(rf"^(ok|--) +{topic}", text, re.M), topic


def test_which_engine_would_be_used(monkeypatch):
    pytest.importorskip("pygraphviz")
    monkeypatch.setattr(layout.shutil, "which", lambda name: None)
    assert "it would be used" in state(examine(), "graphs: pygraphviz").state


def test_without_any_it_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    findings = examine()
    graphs = state(findings, "graphs")
    assert not graphs.good
    assert 'pip install "microtrain[graph]"' in report(findings)


@pytest.mark.parametrize(
    ("platform", "tool", "command"),
    [
        ("darwin", "", "brew install graphviz"),
        ("win32", "", "winget install graphviz"),
        ("linux", "apt-get", "apt install graphviz"),
        ("linux", "dnf", "dnf install graphviz"),
        ("linux", "", "your system's package"),
    ],
)
def test_the_command_fits_the_system(monkeypatch, platform, tool, command):
    monkeypatch.setattr(layout.sys, "platform", platform)
    monkeypatch.setattr(layout.shutil, "which", lambda name: name if name == tool else None)
    assert command in layout.install_command()


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_an_engine_that_does_not_work_is_found_out(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\ncat > /dev/null; echo 'no plugins' >&2; exit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    finding = state(examine(), "graphs: dot")
    assert not finding.good
    assert "no plugins" in finding.state


def test_a_numba_that_does_not_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    finding = state(examine(), "Numba")
    assert not finding.good
    assert "NumPy computes everything" in finding.state


def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setenv("MICROTRAIN_CACHE_DIR", str(tmp_path / "cache"))
    assert state(examine(), "kernel cache").good
    monkeypatch.setattr(os, "access", lambda *_: False)
    finding = state(examine(), "kernel cache")
    assert not finding.good
    assert "MICROTRAIN_CACHE_DIR" in finding.remedy
