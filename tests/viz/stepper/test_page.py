"""The page without a browser: self-contained, small, allowed to do nothing else; and the words in it."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

import microtrain as mt
from microtrain.viz.stepper import page as page_module
from microtrain.viz.stepper.page import FOLDER, SCRIPTS, page, words

from . import programs

BEYOND = 150_000  # bytes that the page may have beyond its trace


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=False)
        self.found, self.content = [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        self.found.append((f"/{tag}", {}))

    def handle_data(self, data):
        tag, attributes = self.found[-1] if self.found else ("", {})
        if tag in ("script", "style"):
            self.content[attributes.get("id", tag)] = self.content.get(attributes.get("id", tag), "") + data


@pytest.fixture(scope="module")
def text():
    return mt.trace(programs.network).html()


def test_nothing_is_fetched(text):
    for tag, attributes in Elements(text).found:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base")
        assert not {"src", "href", "action", "srcset", "onclick", "style"} & set(attributes)


def test_the_policy_allows_what_is_there_by_its_hash_and_nothing_else(text):
    elements = Elements(text)
    (policy,) = [a["content"] for tag, a in elements.found if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert (
        rules.pop("default-src") == "'none'"
        and rules.pop("base-uri") == "'none'"
        and rules.pop("form-action") == "'none'"
    )
    for kind in ("script", "style"):
        digest = hashlib.sha256(elements.content[kind].encode()).digest()
        assert rules.pop(f"{kind}-src") == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert not rules


def test_the_size_beyond_the_trace(text):
    trace = Elements(text).content["trace"]
    assert len(text.encode()) - len(trace.encode()) < BEYOND
    assert json.loads(trace) == json.loads(mt.trace(programs.network).json())


def test_the_size_of_the_longest_page():
    """Almost as many steps as are told one by one."""
    x, w = mt.tensor(0.5, requires_grad=True), mt.tensor(1.01, requires_grad=True)
    y = x
    for _ in range(390):
        y = (y * w).sin()
    trace = mt.trace(y)
    assert 1900 < len(trace) <= 2000
    text = trace.html()
    assert len(text.encode()) - len(Elements(text).content["trace"].encode()) < BEYOND


def test_both_languages():
    trace = programs.neuron()
    assert '<html lang="en">' in trace.html() and '<html lang="zh-Hans">' in trace.html("zh")
    assert "out – 单步演示" in trace.html("zh")


def test_a_template_never_fills_what_the_user_wrote():
    w = mt.tensor(1.0, requires_grad=True).named("{script}{trace}</script>")
    text = mt.trace(w * 1, title="{style}").html()
    assert text.count("</script>") == 4
    assert "<title>{style} – Stepper</title>" in text


def test_the_files_are_installed(tmp_path):
    """`pip install .` brings the page's files along."""
    import configparser

    found = configparser.ConfigParser()
    found.read(FOLDER.parents[3] / "setup.cfg")
    patterns = found["options.package_data"]["microtrain"].split()
    for path in FOLDER.iterdir():
        relative = path.relative_to(FOLDER.parents[2])
        assert any(relative.match(pattern) for pattern in patterns), relative


# ---- words -----------------------------------------------------------------------------------------------------------


def test_every_text_has_two_languages_with_the_same_holes():
    for name, pair in words().items():
        english, chinese = pair
        assert english and chinese, name
        assert set(re.findall(r"\{(\w+)\}", english)) >= set(re.findall(r"\{(\w+)\}", chinese)), name
        assert set(re.findall(r"\{(\w+)\}", english)) <= set(re.findall(r"\{(\w+)\}", chinese)), name


def test_chinese_typography():
    for name, (_, chinese) in words().items():
        if name == "language":
            continue
        for wrong in (
            r"[\u4e00-\u9fff][,;:?!()]",
            r"[,;:?!(][\u4e00-\u9fff]",
            r"[\u4e00-\u9fff][A-Za-z0-9{]",
            r"[A-Za-z0-9}][\u4e00-\u9fff]",
            "！",
            "您",
            '"',
        ):
            assert not re.search(wrong, chinese), (name, chinese, wrong)


BUTTONS = (
    "first",
    "previous",
    "play",
    "pause",
    "next",
    "last",
    "guess",
    "help",
    "close",
    "check",
    "reveal",
    "expand",
    "collapse",
)


def test_chinese_buttons_are_short():
    for name in BUTTONS:
        assert len(words()[name][1]) <= 4


def test_every_word_is_used_and_every_used_word_is_there():
    code = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)
    code += "\n".join(
        (FOLDER.parent / name).read_text(encoding="utf-8") for name in ("telling.py", "terminal.py", "page.py")
    )
    used = set(re.findall(r"\bsay\(\s*[\"'](\w+)[\"']", code)) | set(re.findall(r"\btell\(\s*[\"'](\w+)[\"']", code))
    assert {name for name in used if not name.endswith("_")} <= set(words())
    for name in words():
        stem = name.removesuffix("_array")
        whole = re.search(rf"[\"'`]{stem}[\"'`]", code)
        prefix = any(name.startswith(p) for p in ("phase_", "kind_", "theme_", "note_", "say_folded_"))
        assert whole or prefix, f"{name} is not used"


def test_the_scripts_are_valid_without_a_browser(tmp_path):
    import shutil

    node = shutil.which("node")
    if node is None:
        return  # the browser tests say it too
    script = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)
    (tmp_path / "page.js").write_text(f'"use strict";(() => {{{script}}})();', encoding="utf-8")
    assert subprocess.run([node, "--check", tmp_path / "page.js"]).returncode == 0


def test_the_stepper_is_not_loaded_before_it_is_used():
    code = "import sys, microtrain as mt; print('microtrain.viz' in sys.modules); mt.trace(mt.tensor(1., requires_grad=True) * 2); print('rich' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]


def test_page_needs_a_language_it_has():
    with pytest.raises(mt.MicrotrainError, match='"en" or "zh"'):
        page(programs.neuron().data, "klingon")
    assert page_module.number_of("zh") == 1
