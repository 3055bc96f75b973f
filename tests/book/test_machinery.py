"""What items are made of: entries, claims, texts, the page, the command line."""

from __future__ import annotations

import io
import json
import math
import re
import shutil
import sys
from importlib import resources

import numpy as np
import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from microtrain import book
from microtrain.book import all as several, catalogue, contents, report
from microtrain.book.cards import claims_table, distance
from microtrain.book.drawing import draw, movie, picture
from microtrain.book.entry import ITEMS, Item, Parameter, item
from microtrain.book.moving import grow, moments
from microtrain.book.run import Figure, Run, execute
from microtrain.book.sources import chinese, where
from microtrain.book.text import markup, number, plain
from microtrain.cli.app import app
from microtrain.errors import ArgumentError, DataFileError, MicrotrainError

from .looks import faults


def entry(function, **options):
    about = {
        "kind": "theorem", "source": "eq. 1", "title": ("T", "题"), "statement": ("S", "述"), "verdict": "holds",
        **options,
    }  # fmt: skip
    try:
        item("made-here", **about)(function)
        return ITEMS["made-here"]
    finally:
        ITEMS.pop("made-here", None)


def run_of(**options) -> Run:
    return Run(entry(lambda run: None, **options))


@pytest.mark.parametrize(
    ("measured", "limits", "passed"),
    [
        (1.05, {"equals": 1, "within": 0.1}, True),
        (1.15, {"equals": 1, "within": 0.1}, False),
        (105, {"equals": 100, "relative": 0.1}, True),
        ([1.0, 1.3], {"equals": 1, "within": 0.1}, False),
        (float("nan"), {"equals": 1, "within": 0.1}, False),
        (float("nan"), {"at_least": 1}, False),
        (2, {"at_least": 1}, True),
        (0.5, {"at_least": 1}, False),
        (0.5, {"at_most": 1}, True),
        ([0.5, 2], {"at_most": 1}, False),
        ([0.5, 0.9], {"between": (0, 1)}, True),
        ([0.5, 1.9], {"between": (0, 1)}, False),
        ([[1.0, 1.05], [0.95, 1.0]], {"equals": 1, "within": 0.1}, True),
        (np.full((2, 2, 2), 1.3), {"equals": 1, "within": 0.1}, False),
        ([[0.5, 2], [0.1, 0.2]], {"at_most": 1}, False),
        (np.bool_(True), {}, True),
        (False, {}, False),
    ],
)
def test_claims(measured, limits, passed):
    run = run_of()
    assert run.claim(("a", "甲"), measured, **limits) is passed
    assert run.passed is passed


def test_the_worst_number_is_shown():
    run = run_of()
    run.claim(("a", "甲"), [0.9, 1.3, 1.1], equals=1, within=0.5)
    run.claim(("b", "乙"), [0.2, 0.95], between=(0, 1))
    assert [claim.measured for claim in run.claims] == [1.3, 0.95]
    assert run.claims[0].margin == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("measured", "limits", "margin", "words"),
    [
        ([0.2, 0.95], {"between": (0, 1)}, 0.1, None),
        (1.5, {"between": (0, 1)}, -1, ("100% of half the range", "区间半宽的 100%")),
        ([3, 5], {"at_least": 2}, 0.5, None),
        (0.5, {"at_least": 2}, -0.75, ("75% of the limit", "限值的 75%")),
        (-3, {"at_least": -2}, -0.5, ("50% of the limit", "限值的 50%")),
        (60, {"at_most": 2}, -29, ("29 × the limit", "限值的 29 倍")),
        (0.1, {"at_most": 1e-12}, 1 - 1e11, ("over 1000 × the limit", "超过限值的 1000 倍")),
        (1, {"at_most": 0}, None, ("", "")),
        (1.5, {"equals": 1, "within": 0.1}, -4, ("5 × the tolerance", "容差的 5 倍")),
    ],
)
def test_how_clearly_a_claim_holds_or_fails(measured, limits, margin, words):
    run = run_of()
    run.claim(("a", "甲"), measured, **limits)
    (claim,) = run.claims
    assert claim.margin == (None if margin is None else pytest.approx(margin))
    if words is not None:
        assert distance(claim.margin, claim.expected) == words


def test_a_claim_needs_one_expectation():
    with pytest.raises(ArgumentError, match="at_least"):
        run_of().claim(("a", "甲"), 1.0)
    with pytest.raises(ArgumentError, match="at_least"):
        run_of().claim(("a", "甲"), 1.0, at_least=0, at_most=2)
    with pytest.raises(ArgumentError, match="no number"):
        run_of().claim(("a", "甲"), [], at_least=0)


def test_without_claims_nothing_is_passed():
    assert not run_of().passed


def test_entries_are_checked():
    def wrong(run, form="right"):
        pass

    with pytest.raises(ArgumentError, match="correction"):
        entry(wrong, verdict="holds with a condition")
    with pytest.raises(ArgumentError, match="form"):
        entry(lambda run: None, verdict="does not hold as printed", correction=("c", "正"))
    with pytest.raises(ArgumentError, match="kind"):
        entry(wrong, kind="poem")
    with pytest.raises(ArgumentError, match="both languages"):
        entry(wrong, title=("T", ""))
    with pytest.raises(ArgumentError, match="no parameters"):
        entry(wrong, ranges={"eta": (0, 1)})


def test_choices_and_ranges_of_numbers():
    def several_numbers(run, eta=0.1, batch=4, size=2):
        pass

    made = entry(several_numbers, ranges={"eta": (0, 1), "batch": [1, 4, 30], "size": [2]})
    assert [str(p) for p in made.parameters] == [
        "eta from 0 to 1, default 0.1", "batch in {1, 4, 30}, default 4", "size in {2}, default 2",
    ]  # fmt: skip
    assert made.values({"batch": "30"})["batch"] == 30
    with pytest.raises(ArgumentError, match=r"takes batch in {1, 4, 30}"):
        made.values({"batch": "5"})
    for wrong in ((0.2, 1), (0.2, 0.3, 0.4), ("low", "high")):
        with pytest.raises(ArgumentError, match=r"eta=0\.1"):
            entry(several_numbers, ranges={"eta": wrong})


def test_an_item_may_be_loaded_again():
    def once(run):
        pass

    item("made-here", kind="theorem", source="s", title=("T", "题"), statement=("S", "述"), verdict="holds")(once)
    entry(once, title=("New", "新"))  # the same place in the same file: as after importlib.reload


def test_a_broken_file_is_named(monkeypatch):
    load = catalogue.importlib.import_module

    def broken(name, *rest):
        if name.endswith("training.nesterov"):
            raise NameError("name 'x' is not defined")
        return load(name, *rest)

    monkeypatch.setattr(catalogue.importlib, "import_module", broken)
    with pytest.raises(MicrotrainError, match=r"book/training/nesterov\.py can't be loaded: NameError: name 'x'"):
        catalogue._load.__wrapped__()


def test_an_id_is_taken_once():
    book.items()
    with pytest.raises(ArgumentError, match="taken"):
        item("nesterov", kind="theorem", source="s", title=("T", "题"), statement=("S", "述"), verdict="holds")(
            lambda run: None
        )


def test_parameters():
    number = Parameter("eta", 0.1, 0.0, 1.0)
    assert number.checked("0.5", "x") == 0.5
    for bad in ("2", "nan", "x", None):
        with pytest.raises(ArgumentError, match="from 0 to 1"):
            number.checked(bad, "x")
    assert Parameter("n", 3, 1, 9).checked("4", "x") == 4
    assert Parameter("flag", True).checked("false", "x") is False
    assert Parameter("rates", (0.1, 0.2), 0, 1).checked("0.3,0.4", "x") == [0.3, 0.4]
    for bad in ([], ["x"], [[0.1]], {"a": 1}, 0.3):
        with pytest.raises(ArgumentError, match="rates from 0 to 1"):
            Parameter("rates", (0.1, 0.2), 0, 1).checked(bad, "x")
    for bad in (2.5, True, "2.5", math.inf):  # not cut to 2 or taken for 1
        with pytest.raises(ArgumentError, match="from 1 to 9"):
            Parameter("n", 3, 1, 9).checked(bad, "x")
    assert Parameter("n", 3, 1, 9).checked(np.int64(4), "x") == 4
    with pytest.raises(ArgumentError, match="takes loss in"):
        Parameter("loss", "mse", choices=("mse", "mae")).checked("x", "x")


def test_texts():
    assert plain(r"$x \leftarrow x - \eta\lambda g$, $\frac{a}{b} \le \lVert v \rVert$") == "x ← x - ηλ g, a/b ≤ ‖ v ‖"
    assert markup("a < b") == "a &lt; b"
    assert markup(r"if $\eta$ < 1").startswith("if <math") and "&lt; 1" in markup(r"if $\eta$ < 1")


@pytest.mark.parametrize(
    ("formula", "letters"),
    [
        (r"\hat{m}_t / (\sqrt{\hat{v}_t} + \epsilon)", "m\u0302_t / (√(v\u0302_t) + ε)"),
        (r"x_{t+1} = x_t^{2}", "x_(t+1) = x_t^2"),
        (r"\sqrt{\frac{a+b}{c_{t-1}}}", "√((a+b)/(c_(t-1)))"),
        (r"\frac{\partial L}{\partial \phi_0}", "∂L/∂φ_0"),
        (r"\lambda_{\max} 10^{-6} f^{(k)}", "λ_max 10^-6 f^(k)"),
        (r"\frac{1}{2n} X^{+} \frac{0.5}{L'}", "1/(2n) X^+ 0.5/L'"),
        (r"\{x: \|x\| \le 1\}", "{x: ‖x‖ ≤ 1}"),
        (r"\ln\cosh x", "ln cosh x"),
        (r"X^\top X, \operatorname{sign}(x)", "Xᵀ X, sign(x)"),
        (r"\tilde w, \hat\phi", "w\u0303, φ\u0302"),
        ("1e-10, 2.5e+06", "10^-10, 2.5 · 10^6"),
    ],
)
def test_formulas_in_letters(formula, letters):
    assert plain(f"${formula}$") == letters


def test_no_text_is_left_in_latex():
    for e in book.items():
        for text in (e.source, *e.title, *e.statement, *e.correction):
            assert not re.search(r"[\\$\ue000\ue001]|frac|sqrt|operatorname", plain(text)), (e.id, plain(text))
            assert "\\" not in re.sub(r"<[^>]*>", "", markup(text)), (e.id, text)


def test_find():
    assert book.get("nesterov").chapter == "training"
    with pytest.raises(ArgumentError, match="gd-parabola-regimes"):
        book.get("gd-parabola-regime")
    assert [e.id for e in book.items(search="五种情形")] == ["gd-parabola-regimes"]
    with pytest.raises(ArgumentError, match="no parameter 'alpha'"):
        book.run("nesterov", alpha=1)


@pytest.mark.parametrize("seed", [-1, "a", None, 1.5, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ArgumentError, match="whole number"):
        book.run("line-model", seed=seed)
    with pytest.raises(ArgumentError, match="by its id"):
        book.get(None)


def test_other_parameters_are_not_judged():
    assert "as expected" not in str(book.run("gd-parabola-regimes", eta=0.7))


def test_notebook_display(few_frames):
    text = book.run("gd-parabola-regimes")._repr_html_()
    assert "抛物线" in text and "<math" in text
    assert "prefers-reduced-motion" in text and 'src="data:image/webp' in text and "srcset=" in text
    assert "<svg" in book.run("line-model")._repr_html_()
    problem = book.run("problem-6-2")  # its notes are the reasoning
    text = problem._repr_html_()
    assert markup(problem.notes[0][0]) in text and markup(problem.notes[0][1]) in text
    assert plain(problem.notes[0][0]) in str(problem) and plain(problem.notes[0][1]) in str(problem)
    assert "有条件成立" in text and "习题 6.2" in text and text.count("✓") == len(problem.claims)


@pytest.mark.wide
def test_tables_are_shown_in_a_notebook_and_other_values_are_not_judged(few_frames):
    text = book.run("gd-parabola-regimes", eta=0.9)._repr_html_()
    assert '<div lang="en">yes</div><div lang="zh-Hans">是</div>' in text  # not side by side without a space
    assert "Positions / <" in text and "各步位置" in text and "✓" not in text and "As expected" not in text


def test_the_learner_s_own_rate_is_seen():
    run = book.run("gd-parabola-regimes", eta=0.9, start=2.0, steps=5)
    assert "alternating, shrinking" in run.notes[0][0] and "-0.65536" in run.notes[0][0]
    titles = [ax.get_title() for ax in draw(run.figures[0])[0].axes]
    assert titles[-1] == "$\\eta = 0.9$" and len(titles) == 6 and "$\\eta = 1.0$" in titles
    assert "monotone" in book.run("gd-parabola-regimes", eta=0.2, start=-1.0).notes[0][0]


def test_large_pictures_become_pixels():
    small = Figure(("a", "甲"), lambda ax: ax.plot([1, 2]))
    large = Figure(("a", "甲"), lambda ax: ax.plot(np.random.default_rng(0).normal(size=20_000)))
    assert picture(small).startswith("data:image/svg+xml") and picture(large).startswith("data:image/webp")


def test_pictures_are_the_same_bytes():
    figure = Figure(("a", "甲"), lambda ax: ax.plot([1, 2]))
    assert picture(figure) == picture(figure)


def rolling(frames=5):
    def draw(ax):
        ax.plot([0, 4], [0, 4], color="0.5")
        (line,) = ax.plot(np.arange(5), np.arange(5) ** 2, color="red", label="path")
        ax.legend()
        return grow(np.arange(frames), line)

    return Figure(("a", "甲"), draw, frames=frames, seconds=1)


def test_what_moves_becomes_an_animation():
    image = pytest.importorskip("PIL.Image").open(io.BytesIO(movie(rolling())))
    assert image.n_frames == 5 and image.info["loop"] == 0
    shots = [np.asarray((image.seek(k), image.convert("RGB"))[1]).astype(int) for k in range(5)]
    red = [int(((shot[..., 0] > 200) & (shot[..., 1] < 80)).sum()) for shot in shots]
    assert red == sorted(red) and red[-1] > red[0] + 100
    still = Figure(("a", "甲"), lambda ax: ax.plot([1, 2]))
    with pytest.raises(ArgumentError, match="no frames"):
        still.webp()


def test_only_what_moves_is_drawn_again():
    """Frame by frame the same pixels as a whole drawing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from microtrain.book.movie import pictures

    canvas, show = draw(rolling())
    quick = pictures(canvas, show, 5, 96)
    canvas, show = draw(rolling())
    canvas.dpi = 96
    canvas.draw_without_rendering()
    canvas.set_layout_engine("none")
    legend = canvas.axes[0].get_legend()
    legend.set_loc(tuple(canvas.axes[0].transAxes.inverted().transform(legend.get_window_extent().p0)))
    agg = FigureCanvasAgg(canvas)
    for k in range(5):
        show(k)
        agg.draw()
        assert np.array_equal(np.asarray(agg.buffer_rgba())[..., :3], quick[k])


def test_the_still_picture_is_the_last_frame():
    seen = []
    Figure(("a", "甲"), lambda ax: seen.append, frames=7).svg()
    assert seen == [6]


def test_growing_lines():
    from matplotlib.figure import Figure as Canvas

    ax = Canvas().subplots()
    (line,) = ax.plot([0, 1, 2, 3], [0, 1, 4, 9])
    show = grow(np.array([0, 2, 50]), line)
    dot = ax.get_lines()[-1]
    show(0)
    assert line.get_xdata().tolist() == [0] and dot.get_xydata().tolist() == [[0, 0]]
    show(1)
    assert line.get_xdata().tolist() == [0, 1, 2] and dot.get_xydata().tolist() == [[2, 4]]
    show(2)  # it arrived long ago, and stays
    assert line.get_xdata().tolist() == [0, 1, 2, 3] and dot.get_xydata().tolist() == [[3, 9]]


def test_moments():
    assert moments(10, 3).tolist() == [0, 5, 10]
    assert moments(1000, 5, log=True).tolist() == [0, 1, 10, 100, 1000]


def test_pictures_are_narrow_enough_to_be_read():
    run = book.run("line-model")
    with pytest.raises(ArgumentError, match="13 inches wide"):
        run.figure(("a", "甲"), lambda *axes: None, (1, 3), (13.0, 4.0))


def test_unreadable_pictures_are_noticed():
    def long_legend(left, right):
        left.plot([1, 2], label="a legend longer than its panel")
        left.legend()
        left.set_title("a title that its panel is too small for")
        right.set_title("and its neighbour, not short either")

    found = faults(Figure(("a", "甲"), long_legend, (1, 2), (5.0, 3.0)))
    assert {fault.partition(":")[0] for fault in found} == {
        "a legend is larger than its panel",
        "cut off",
        "on each other",
    }
    assert faults(Figure(("a", "甲"), lambda ax: ax.set_title("short"))) == []


def test_panels_with_three_axes():
    def surface(flat, solid):
        assert not hasattr(flat, "plot_surface")
        solid.plot_surface(*np.meshgrid([0, 1], [0, 1]), np.eye(2))

    assert Figure(("a", "甲"), surface, (1, 2), solid=(1,)).svg().startswith("<svg")


IDS = ["line-model", "self-information"]


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    first = next(several.run_all(IDS, tmp_path))
    ran = []
    monkeypatch.setattr(several, "execute", lambda entry, **options: ran.append(entry.id) or execute(entry, **options))
    assert {found["id"] for found in several.run_all(IDS, tmp_path)} == set(IDS)
    assert ran == [id for id in IDS if id != first["id"]]
    (tmp_path / f"{first['id']}.json").write_text("{")
    assert all(found["passed"] for found in several.run_all(IDS, tmp_path)) and first["id"] in ran


def test_what_another_library_measured_is_run_again(tmp_path, monkeypatch):
    """A change of an optimizer counts, not only one of the item; one of another chapter's item does not."""
    copy = shutil.copytree(several.PACKAGE, tmp_path / "microtrain", ignore=shutil.ignore_patterns("*.pyc", "*.npz"))
    monkeypatch.setattr(several, "PACKAGE", copy)

    def version():
        several._library.cache_clear()
        several._digest.cache_clear()
        return several.version(book.get("line-model"), 0)

    before = version()
    (copy / "book" / "dynamics" / "spirals.py").write_text("")
    assert version() == before
    (copy / "optim" / "sgd.py").write_text("")
    assert version() != before
    several._library.cache_clear()


@pytest.mark.wide
def test_side_by_side_is_the_same(tmp_path):
    def told(found):
        return {key: value for key, value in found.items() if key != "seconds"}

    one = {f["id"]: told(f) for f in several.run_all(IDS, tmp_path / "a")}
    two = {f["id"]: told(f) for f in several.run_all(IDS, tmp_path / "b", jobs=2)}
    assert json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)


def test_a_broken_item_is_an_outcome(monkeypatch, tmp_path):
    def broken(entry, **options):
        raise ValueError("no")

    monkeypatch.setattr(several, "execute", broken)
    (found,) = several.run_all(IDS[:1], tmp_path)
    assert not found["passed"] and found["failed"] == "ValueError: no"


def test_the_page(tmp_path, few_frames):
    ids = ["gd-parabola-regimes", "line-model"]
    outcomes = {found["id"]: found for found in several.run_all(ids, tmp_path)}
    text = report.page([book.get(id) for id in ids], outcomes)
    assert all(f'<section id="{id}"' in text for id in ids) and "{{" not in text
    assert not re.search(r"""(?:src|href)=["']?(?:https?:|//)""", text)
    assert text.count("✗") == 0 and "default-src 'none'" in text
    assert "--set eta=0.1 (0 … " in text and "Not as expected" not in text
    assert text.count('class="moving"') == 1 and "data:image/webp" in text
    assert "第 6 章，式 (6.4)" in text and 'width="922" height="576"' in text


@pytest.mark.wide
def test_what_does_not_hold_is_shown_with_its_margin(tmp_path, few_frames):
    (found,) = several.run_all(["nesterov"], tmp_path)
    assert all(not claim["passed"] for claim in found["printed"]) and found["passed"]
    text = report.page([book.get("nesterov")], {"nesterov": found})
    (part,) = re.findall('<article data-id="nesterov">(.*?)</article>', text)
    assert "Run as it is printed" in part and "108 × the tolerance" in part and "容差的 108 倍" in part
    assert "eq. 6.12" in part and "<td>1.24</td>" in part


def test_unknown_sources_are_shown_in_english():
    made = entry(lambda run: None, source="A bakery, on the left")
    assert where(made) == ("A bakery, on the left",) * 2
    with pytest.raises(ArgumentError, match="'A bakery'"):
        chinese(made.source)
    made = entry(lambda run: None, source=("A bakery", "面包房"))
    assert made.source == "A bakery" and where(made) == ("A bakery", "面包房")


@pytest.mark.parametrize("e", book.items(), ids=lambda e: e.id)
def test_sources_in_chinese(e):
    text = where(e)[1]
    assert text == (e.source_zh or chinese(e.source))
    words = re.sub(r"\$[^$]*\$|（[^）]*）", "", text)
    assert not re.search(r"\b(the|of|and|after|before|chapter|section|eq)\b", words, re.IGNORECASE), text
    assert not re.search(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]", words), text


@pytest.mark.parametrize(
    ("english", "zh"),
    [
        ("Chapter 6, eq. 6.5 to 6.7", "第 6 章，式 (6.5) 至 (6.7)"),
        ("Chapter 4, sections 4.2.3, 4.2.5 and 4.2.7", "第 4 章，第 4.2.3、4.2.5 和 4.2.7 节"),
        ("Problem 6.7 and Figure 6.5a", "习题 6.7 和图 6.5a"),
        ("Chapter 6, Figure 6.1 a to d", "第 6 章，图 6.1 a～d"),
        ("Chapter 6, notes (Robbins and Monro 1951)", "第 6 章，注释（Robbins 和 Monro 1951）"),
        ("section 6.2.2, last paragraph; Theorem 4.1.4", "第 6.2.2 节，最后一段；定理 4.1.4"),
        ("Section 4.1.5, after eq. 4.1.3", "第 4.1.5 节，式 (4.1.3) 之后"),
    ],
)
def test_places_in_chinese(english, zh):
    assert chinese(english) == zh


def test_items_come_in_the_book_s_order():
    ids = [e.id for e in book.items()]
    assert [e.chapter for e in book.items()] == sorted(
        (e.chapter for e in book.items()), key=list(contents.CHAPTERS).index
    )
    assert ids.index("gradient-vector") < ids.index("gabor-model") < ids.index("nesterov") < ids.index("problem-6-1")
    folder = resources.files("microtrain.book")
    for chapter, names in contents.FILES.items():
        assert all((folder / chapter / f"{name}.py").is_file() for name in names.split()), chapter


def test_every_error_of_the_book_has_its_place():
    listed = [id for ids in contents.WRONG.values() for id in ids.split()]
    assert len(listed) == len(set(listed))
    assert set(listed) == {e.id for e in book.items(verdict="does not hold as printed")}


def test_the_page_shows_what_went_wrong():
    broken = {"id": IDS[0], "passed": False, "failed": "ValueError: <no>"}
    text = report.page([book.get(IDS[0])], {IDS[0]: broken})
    assert f'Not as expected: </span><span lang="zh-Hans">与预期不符：</span><a href="#{IDS[0]}">' in text
    assert "<pre>ValueError: &lt;no&gt;</pre>" in text


def test_numbers_of_numpy_are_kept(tmp_path, monkeypatch):
    def counted(entry, **options):
        run = execute(entry, **options)
        run.table(("T", "表"), ("n",), [(np.int64(3),), (np.bool_(True),)])
        return run

    monkeypatch.setattr(several, "execute", counted)
    list(several.run_all(IDS[:1], tmp_path))
    assert json.loads((tmp_path / f"{IDS[0]}.json").read_text())["tables"][-1]["rows"] == [[3], [True]]


def test_the_list_fits_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    listed = CliRunner().invoke(app, ["book", "list"]).output
    assert max(map(cell_len, listed.splitlines())) <= 80
    assert all(re.search(rf"^[●◐○] {e.id} ", listed, re.M) for e in book.items())


def test_measured_numbers_have_the_digits_that_are_expected():
    assert number(2.985984, "2.985984 ± 1e-14") == "2.9859840000"
    assert number(0.57875071, "0.5787507 ± 1e-08") == "0.57875071"
    assert number(0.0258211, "0.0258 ± 5e-05") == "0.0258211"
    assert number(1 / 3, "≤ 1") == "0.333333" and number(math.inf, "1 ± 1e-9") == "inf" and number(3) == "3"
    assert number(False) == "no"


def test_facts_are_told_in_both_languages():
    table = claims_table([{"text": ("fact", "事实"), "measured": True, "expected": "yes", "passed": True}])
    assert table.count('<span lang="zh-Hans">是</span>') == 2


def test_no_line_begins_with_a_comma_after_a_formula():
    assert re.search(r'若 <span class="whole"><math.*?</math>，</span>则', markup("若 $x$，则"))
    assert "whole" not in markup("for $x$ and")


def test_functions_stand_apart_from_what_they_are_of():
    assert re.search(r"<mi>ln</mi><mspace [^>]*></mspace><msub><mi>q</mi>", markup(r"$p_i \ln q_i$"))


def test_letters_in_pictures_need_no_font():
    def root(ax):
        ax.set_title(r"$1/\sqrt{\lambda}$, large")

    drawn = Figure(("a", "甲"), root).svg()
    assert "<text" not in drawn and "font-family" not in drawn


def test_interrupted(monkeypatch, tmp_path):
    def some(*_):
        yield {"id": IDS[0], "passed": True}
        raise KeyboardInterrupt

    monkeypatch.setattr(several, "run_all", some)
    done = CliRunner().invoke(app, ["book", "run", "--all", "--out", str(tmp_path)])
    assert done.exit_code == 130
    assert re.fullmatch(r"Interrupted\. 1 of \d+ items are safe in .*\. To go on, run the same again\.\n", done.stderr)


def test_commands(tmp_path, monkeypatch, few_frames):
    monkeypatch.chdir(tmp_path)
    call = CliRunner().invoke
    assert "nesterov" in call(app, ["book", "list", "--verdict", "does not hold as printed"]).output
    assert "--set lr from 0.001 to 0.3" in call(app, ["book", "show", "nesterov"]).output
    done = call(app, ["book", "run", "gd-parabola-regimes", "--set", "eta=0.9", "--out", "out"])
    assert done.exit_code == 0 and (tmp_path / "out/gd-parabola-regimes-1.svg").read_text().startswith("<svg")
    assert (tmp_path / "out/gd-parabola-regimes-1.webp").read_bytes()[:4] == b"RIFF"
    assert "--out FOLDER writes its picture" in call(app, ["book", "run", "line-model"]).output
    for wrong in (
        ["run"],
        ["run", "nesterov", "--set", "lr"],
        ["run", "--all", "--set", "lr=1"],
        ["run", "nope"],
        ["list", "--chapter", "nope"],
        ["list", "--kind", "theorm"],
        ["list", "--verdict", "wrong"],
    ):
        assert isinstance(call(app, ["book", *wrong]).exception, ArgumentError)


def test_places_that_cannot_be_written_are_found_before_the_work(tmp_path, monkeypatch):
    for module in (several, sys.modules[Run.__module__]):
        monkeypatch.setattr(module, "execute", lambda *args, **options: pytest.fail("it has run"))
    (tmp_path / "file").write_text("")
    file, keep = str(tmp_path / "file"), str(tmp_path / "keep")
    for wrong in (
        ["report", "-o", str(tmp_path), "--keep", keep],
        ["report", "-o", file + "/book.html", "--keep", keep],
        ["run", "--all", "--out", file],
        ["run", "line-model", "--out", file],
    ):
        assert isinstance(CliRunner().invoke(app, ["book", *wrong]).exception, DataFileError), wrong


def test_items_are_frozen():
    with pytest.raises(AttributeError):
        book.get("nesterov").verdict = "holds"  # type: ignore[misc]
    assert isinstance(book.get("nesterov"), Item)


def test_what_is_counted_has_whole_ticks():
    def show(left, right):
        left.plot([0, 1, 2, 3], [0, 1, 4, 9])
        left.set(xlabel="step $t$", ylabel="stepped")
        right.plot([1, 10], [1, 2])
        right.set(xlabel="samples", ylabel="epochs", xscale="log", yticks=[1, 1.5, 2])

    canvas, _ = draw(Figure(("a", "甲"), show, panels=(1, 2)))
    left, right = canvas.axes
    assert all(tick == round(tick) for tick in left.get_xticks())
    assert right.get_xscale() == "log" and 1.5 in right.get_yticks()


@pytest.mark.parametrize("label", [r"step in $\phi_0$", "step over the rate", r"step $\eta$ along the gradient"])
def test_the_length_of_a_step_is_not_counted(label):
    def show(ax):
        ax.set(xlabel=label, xlim=(-0.8, 0.8))

    canvas, _ = draw(Figure(("a", "甲"), show))
    assert sum(-0.8 <= tick <= 0.8 for tick in canvas.axes[0].get_xticks()) >= 4
