"""Every tutorial runs as a script, prints what it says it prints, and exists in English and Chinese side by side."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "tutorials").glob("*.py"))


def cells(path):
    """(header, body) of each cell of a percent-format script."""
    parts = re.split(r"^# %%(.*)\n", path.read_text(encoding="utf-8"), flags=re.M)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_there_are_tutorials():
    assert TUTORIALS


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem)
def test_prints_what_it_says(path, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)], cwd=tmp_path, env=environment, capture_output=True, timeout=60,
        encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = re.findall(r"^# -> (.*)$", path.read_text(encoding="utf-8"), flags=re.M)
    assert expected
    assert done.stdout.splitlines() == expected


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem)
def test_english_and_chinese_cells_alternate(path):
    languages = [re.findall(r'lang="([\w-]+)"', head) for head, _ in cells(path) if "[markdown]" in head]
    assert all(len(found) == 1 for found in languages), "every text cell names its language"
    flat = [found[0] for found in languages]
    assert flat == ["en", "zh-Hans"] * (len(flat) // 2)


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem)
def test_both_languages_speak_of_the_same_code_and_headings(path):
    texts = [(head, body) for head, body in cells(path) if "[markdown]" in head]
    for (_, english), (_, chinese) in zip(texts[::2], texts[1::2], strict=True):
        assert set(re.findall(r"`([^`]+)`", english)) == set(re.findall(r"`([^`]+)`", chinese))
        headings = [[len(h) for h in re.findall(r"^# (#+) ", body, flags=re.M)] for body in (english, chinese)]
        assert headings[0] == headings[1]
        assert re.search(r"[\u4e00-\u9fff]", chinese) and not re.search(r"[\u4e00-\u9fff]", english)


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem)
def test_chinese_typography(path):
    for head, body in cells(path):
        if "zh" not in head:
            continue
        prose = re.sub(r"`[^`]*`|\$[^$]*\$", "码", body)
        assert "您" not in prose and "！" not in prose
        assert not re.search(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]", prose), prose
        assert not re.search(r"[\u4e00-\u9fff][,;:?!]", prose), prose


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem)
def test_runs_as_a_notebook(path, tmp_path):
    jupytext, nbclient = pytest.importorskip("jupytext"), pytest.importorskip("nbclient")
    notebook = jupytext.read(path)
    languages = [cell.metadata.get("lang") for cell in notebook.cells if cell.cell_type == "markdown"]
    assert set(languages) == {"en", "zh-Hans"}
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
    assert any("text/html" in out.get("data", {}) for out in shown)
    drawn = sum(cell.source.rstrip().endswith(".figure") for cell in notebook.cells if cell.cell_type == "code")
    assert drawn and sum("image/png" in out.get("data", {}) for out in shown) == drawn
