"""The page about optimizers and schedules: everything is on it, and it is whole HTML that asks for nothing."""

import inspect
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from microtrain import optim
from microtrain.cli.app import app
from microtrain.docs import optimizers_page
from microtrain.docs.optimizers import variants
from microtrain.docs.page import described
from microtrain.docs.schedule_plot import schedule_svg
from microtrain.optim import schedules
from microtrain.optim.table import family

OPEN_ENDED = {"meta", "br", "hr", "img", "input", "link"}


@pytest.fixture(scope="module")
def page():
    return optimizers_page()


class Balance(HTMLParser):
    def __init__(self):
        super().__init__()
        self.stack, self.wrong = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in OPEN_ENDED:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop() != tag:
            self.wrong.append((tag, self.getpos()))


def test_every_optimizer_and_schedule_with_its_rule_and_defaults(page):
    kinds = [kind for _, kind in family()]
    assert len(kinds) > 24 and optim.Adam in kinds and optim.LBFGS in kinds
    for name in (n for n in optim.__all__ if inspect.isclass(getattr(optim, n))):
        kind = getattr(optim, name)
        if issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer:
            assert kind in kinds, name
    for kind in kinds:
        section = page.split(f'<h3 id="{kind.__name__}">')[1].split("<h3")[0]
        for line in kind.rule.mathml().splitlines():
            assert line in section
        assert kind.reference.replace("'", "&#x27;") in section
        for p in list(inspect.signature(kind).parameters.values())[1:]:
            if p.kind is not p.VAR_KEYWORD:
                assert p.name in section
    for name in schedules.__all__:
        if hasattr(getattr(schedules, name), "rule"):
            section = page.split(f'<h3 id="{name}">')[1].split("<h3")[0]
            assert "<svg" in section and getattr(schedules, name).rule.mathml() in section


def test_the_first_ten_values_are_in_a_table(page):
    section = page.split('<h3 id="Step">')[1].split("<h3")[0]
    values = re.findall(r'<td class="number">([^<]*)</td>', section)
    assert values == ["η", "1", "1", "1", "0.5", "0.5", "0.5", "0.25", "0.25", "0.25", "0.125"]


def test_whole_html_without_requests(page):
    checked = Balance()
    checked.feed(page)
    assert checked.stack == [] and checked.wrong == []
    assert "default-src 'none'" in page and "<script" not in page
    assert not re.findall(r"(?:src|href)=['\"](?!#)", page)
    assert set(re.findall(r'href="#(\w+)"', page)) <= set(re.findall(r'id="(\w+)"', page))
    for formula in re.findall(r"<math.*?</math>", page):
        ElementTree.fromstring(formula)
    assert page == optimizers_page()


def test_both_languages(page):
    for english, chinese in (("Optimizers", "优化器"), ("Learning-rate schedules", "学习率调度")):
        assert f'{english} <span lang="zh-Hans">{chinese}</span>' in page


def test_options_that_change_the_formula_are_shown():
    found = dict(variants(optim.Adam))
    assert "top <- maximum(top, v)" in str(found["amsgrad=True"])
    assert "sqrt(v / c2 + eps)" in str(found["eps_inside_root=True"])
    assert "p + v" in str(dict(variants(optim.Momentum))["form='sum'"])
    assert "momentum=0.9, nesterov=True" in dict(variants(optim.SGD))
    assert str(dict(variants(optim.SGD))["by default"]) == "SGD:\n    p <- p - lr * g"
    assert "lr * m" in str(dict(variants(optim.Nesterov))["lookahead='as_printed'"])
    assert variants(optim.GradientDescent) == []


def test_docstrings_become_paragraphs_and_lists():
    text = "One <tag> and `code`.\n\n    Args:\n        a, b: first\n            and more.\n        c: x <- y.\n\n    End: 1."
    assert described(text) == (
        "<p>One &lt;tag&gt; and <code>code</code>.</p>\n"
        "<dl><dt><code>a, b</code></dt><dd>first and more.</dd><dt><code>c</code></dt><dd>x ← y.</dd></dl>\n"
        "<p>End: 1.</p>"
    )


@pytest.mark.parametrize("rates", [[0.0, 0.0], [1.0], [1e-9, 2e-9, 3e9]])
def test_pictures_of_odd_schedules(rates):
    picture = ElementTree.fromstring(schedule_svg(rates, "odd"))
    assert "nan" not in ElementTree.tostring(picture, encoding="unicode")


def test_the_command(tmp_path):
    done = CliRunner().invoke(app, ["docs", "optimizers", "-o", str(tmp_path / "new" / "page.html")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "new" / "page.html").read_text(encoding="utf-8") == optimizers_page()
