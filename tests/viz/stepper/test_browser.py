"""The page in a real browser: keys, slider, guessing, languages, addresses, frames, paper."""

import html
import re

import pytest

import microtrain as mt

from . import programs

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{name: path} of a page for each program."""
    folder = tmp_path_factory.mktemp("pages")
    traces = {"neuron": programs.neuron()}
    traces |= {f.__name__: mt.trace(f) for f in (programs.network, programs.second_order, programs.strange_numbers)}
    return {name: trace.save(folder / f"{name}.html") for name, trace in traces.items()}


def position(page):
    return page.locator("#position").inner_text()


def step_of(page):
    return int(re.search(r"\d+", position(page))[0])


def steps_in(page):
    return int(re.findall(r"\d+", position(page))[1])


def test_keys(watched, pages):
    page = watched(pages["neuron"])
    press = page.keyboard.press
    assert position(page) == "Step 1 of 13"
    for key, at in {"ArrowRight": 2, "End": 13, "ArrowLeft": 12, "Home": 1, "ArrowDown": 6}.items():
        press(key)
        assert step_of(page) == at
    press("ArrowDown")  # from the seed to backpropagation
    assert page.locator(".phase").inner_text() == "Backpropagation"
    press("ArrowUp")
    assert page.locator(".phase").inner_text() == "Seed gradient"
    press("ArrowUp")
    assert step_of(page) == 1
    press("ArrowLeft")  # there is nothing before the first
    assert step_of(page) == 1
    press("7")
    assert page.locator("#speed").input_value() == "7"
    press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    press("?")
    assert page.locator("#helping").is_visible()
    assert page.locator("#helping kbd").count() == 9
    press("Escape")
    assert not page.locator("#helping").is_visible()


def test_buttons_do_not_eat_the_arrow_keys(watched, pages):
    page = watched(pages["neuron"])
    page.click("#next")
    page.keyboard.press("ArrowRight")
    assert step_of(page) == 3
    page.click("#last")
    assert step_of(page) == 13
    assert page.locator("#next").is_disabled()
    page.click("#first")
    assert page.locator("#previous").is_disabled()


def test_slider(watched, pages):
    page = watched(pages["neuron"])
    slider = page.locator("#slider")
    slider.fill("9")
    assert step_of(page) == 9
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert step_of(page) == 10 and slider.input_value() == "10"
    assert slider.get_attribute("aria-valuetext") == "Step 10 of 13"


def test_playing(watched, pages):
    page = watched(pages["neuron"], "#step=11")
    page.keyboard.press("9")
    page.keyboard.press(" ")
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    page.locator("#position", has_text="Step 13 of 13").wait_for(timeout=5000)
    page.locator("body:not(.playing)").wait_for(timeout=5000)  # it stops at the end
    page.keyboard.press(" ")  # and begins anew
    page.locator("#position", has_text=re.compile("Step [1-3] of 13")).wait_for(timeout=5000)
    page.keyboard.press(" ")
    assert page.locator("#play").get_attribute("aria-label") == "Play"


def test_addresses(watched, pages):
    page = watched(pages["neuron"], "#step=12")
    assert step_of(page) == 12
    page.keyboard.press("ArrowRight")
    assert page.url.endswith("#step=13")
    page.evaluate("location.hash = '#step=4'")
    page.locator("#position", has_text="Step 4 of 13").wait_for()
    page = watched(pages["neuron"], "#step=999")
    assert step_of(page) == 13
    page = watched(pages["neuron"], "#step=zero")
    assert step_of(page) == 1


def test_the_graph_marks_the_step_and_knows_what_is_known(watched, pages):
    page = watched(pages["neuron"], "#step=7")
    assert page.locator(".node.active .title").text_content() == "n = add"
    assert page.locator(".node.of .title").text_content() == "out = tanh"
    assert page.locator(".edge.active").count() == 1
    dashes = "getComputedStyle(document.querySelector('.edge.active')).strokeDasharray"
    assert page.evaluate(dashes) != "none"  # not by colour alone
    assert page.locator(".node.active .grad .number").text_content() != "–"
    parameter = page.locator(".node.parameter", has_text="w1")
    assert parameter.locator(".grad .number").text_content() == "–"
    page.keyboard.press("End")
    assert parameter.locator(".grad .number").text_content() != "–"
    page.keyboard.press("Home")
    assert page.locator(".node.later").count() == 4
    assert page.locator(".node.later .value").first.text_content() == "…"


def test_clicking_a_node_goes_to_its_next_step(watched, pages):
    page = watched(pages["neuron"])
    node = page.locator(".node", has_text="out = tanh")
    node.click()
    assert step_of(page) == 5
    node.click()
    assert step_of(page) == 6
    node.click(modifiers=["Shift"])
    assert step_of(page) == 5
    page.locator(".node", has_text="w1").click()
    w1 = step_of(page)
    page.locator(".node", has_text="w1").click()  # round again
    assert step_of(page) == w1
    page.locator(".node.active").focus()
    page.keyboard.press("Enter")
    assert page.locator(".node.active .title").text_content() == "w1"


def test_guessing(watched, pages):
    page = watched(pages["neuron"], "#step=12")
    new = page.locator(".node.active .grad .number").text_content()
    page.keyboard.press("g")
    assert page.locator("#guess").get_attribute("aria-pressed") == "true"
    told = page.locator("#card").inner_text() + page.locator("#say").inner_text()
    assert new not in told
    assert page.locator(".node.active .grad .number").text_content() == "–"
    box = page.locator("#answer")
    box.fill("nonsense")
    page.click("#check")
    assert "not a number" in page.locator("#message").inner_text()
    assert page.locator("#score").inner_text() == "Score 0 of 0"
    box.fill("17")
    box.press("Enter")
    assert "Not 17" in page.locator("#message").inner_text()
    page.keyboard.press("ArrowLeft")  # inside of the box this moves the cursor
    assert step_of(page) == 12
    box.fill(new.replace("−", "-"))
    page.click("#check")
    assert page.locator(".verdict.right").inner_text().startswith("✓ Right")
    assert page.locator("#score").inner_text() == "Score 0 of 1"  # the first try was wrong
    assert page.locator(".node.active .grad .number").text_content() == new
    page.keyboard.press("ArrowRight")
    product = page.evaluate("JSON.parse(document.getElementById('trace').textContent)")
    step = product["steps"][12]
    (answer,) = product["values"][step["product"]]["data"]
    page.locator("#answer").fill(f"{answer:.3g}")  # three digits are enough
    page.locator("#answer").press("Enter")
    assert page.locator("#score").inner_text() == "Score 1 of 2"
    page.locator("#slider").fill("8")
    page.click("#reveal")
    assert page.locator("#score").inner_text() == "Score 1 of 3"
    assert "answer" in page.locator(".verdict").inner_text()
    page.keyboard.press("g")
    assert not page.locator("#score").is_visible()


def test_guessing_an_entry_of_a_matrix(watched, pages):
    page = watched(pages["network"])
    page.keyboard.press("g")
    data = page.evaluate("JSON.parse(document.getElementById('trace').textContent)")
    k = next(i for i, s in enumerate(data["steps"]) if s["phase"] == "backward" and "jacobian" in s)
    page.locator("#slider").fill(str(k + 1))
    label = page.locator("form label").inner_text()
    entry = [int(x) for x in re.search(r"\[(.*)\]", label)[1].split(", ")]
    row = data["values"][data["steps"][k]["product"]]
    answer = row["data"][entry[0] * row["shape"][1] + entry[1]]
    page.locator("#answer").fill(str(answer))
    page.locator("#answer").press("Enter")
    assert page.locator(".verdict.right").is_visible()


def test_languages(watched, pages):
    page = watched(pages["network"], "#step=8")
    english = page.locator(".told").inner_text()
    page.keyboard.press("l")
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    chinese = page.locator(".told").inner_text()
    assert chinese != english and re.search("[\u4e00-\u9fff]", chinese)
    assert position(page) == f"第 8 步，共 {steps_in(page)} 步"
    assert step_of(page) == 8  # in the middle of things
    page.keyboard.press("g")
    assert page.locator("#check").inner_text() == "检查"
    page.click("#language")
    assert page.locator("#check").inner_text() == "Check"
    assert not re.search("[\u4e00-\u9fff]", page.locator("main").inner_text())
    for n in range(1, steps_in(page) + 1):  # no text is missing in either language
        page.locator("#slider").fill(str(n))
        assert not re.search(r"\{\w+\}|undefined|NaN", page.locator("#card").inner_text())
        page.keyboard.press("l")
        assert not re.search(r"\{\w+\}|undefined|NaN", page.locator("#card").inner_text())
        page.keyboard.press("l")


def test_picking_entries(watched, pages):
    page = watched(pages["network"])
    data = page.evaluate("JSON.parse(document.getElementById('trace').textContent)")
    k = next(
        i for i, s in enumerate(data["steps"]) if s.get("jacobian") and len(s["jacobian"]) > 6 and "local" not in s
    )
    step = data["steps"][k]
    page.locator("#slider").fill(str(k + 1))
    page.locator('[data-role="in"] td[data-entry="3"]').click()
    terms = dict(map(tuple, [(j, t) for j, t, *_ in step["jacobian"]]))[3]
    assert page.locator(".sum .term").count() == len(terms)
    assert page.locator('[data-role="out"] td.marked').count() == len(terms)
    page.locator(f'[data-role="out"] td[data-entry="{terms[0][0]}"]').click()
    assert page.locator(".sum .term.picked").count() == 1
    shape = data["values"][step["upstream"]]["shape"]
    assert (
        f"[{terms[0][0] // shape[1]}, {terms[0][0] % shape[1]}]"
        in page.locator(".entries .equation").first.inner_text()
    )
    picked = page.locator('[data-role="in"] td.picked')
    picked.focus()
    before = step_of(page)
    page.keyboard.press("ArrowLeft")  # inside of a table the arrows move the pick
    assert step_of(page) == before
    assert page.locator('[data-role="in"] td.picked').get_attribute("data-entry") == "2"
    assert page.evaluate("document.activeElement.dataset.entry") == "2"  # and the focus goes with it


def test_formulas_are_mathml(watched, pages):
    page = watched(pages["neuron"], "#step=7")
    assert page.locator("#card math").count() >= 2
    heights = page.evaluate("[...document.querySelectorAll('#card math')].map(m => m.getBoundingClientRect().height)")
    assert min(heights) > 10


def test_strange_numbers_are_shown(watched, pages):
    page = watched(pages["strange_numbers"])
    texts = []
    for _ in range(steps_in(page)):
        texts.append(page.locator("#card").inner_text())
        page.keyboard.press("ArrowRight")
    assert "∞" in "".join(texts) and "NaN" in "".join(texts)


def test_forty_centimetres_of_telephone(watched, pages):
    for name in ("neuron", "network"):
        page = watched(pages[name], "#step=11", viewport={"width": 400, "height": 800})
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 400  # nothing sticks out at the side
        for button in ("#first", "#previous", "#play", "#next", "#last", "#guess", "#language", "#help"):
            assert page.locator(button).is_visible()
        page.click("#next")
        assert step_of(page) == 12
        assert page.locator("#card").is_visible()


def test_dark_and_light(watched, pages):
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = watched(pages["neuron"], color_scheme="dark")
    light = watched(pages["neuron"], color_scheme="light")
    assert dark.evaluate(paper) != light.evaluate(paper)
    for _ in range(2):
        light.keyboard.press("t")  # light, then dark
    assert light.evaluate(paper) == dark.evaluate(paper)


def test_reduced_motion(watched, pages):
    name = "getComputedStyle(document.querySelector('.edge.active')).animationName"
    assert watched(pages["neuron"], "#step=7", reduced_motion="reduce").evaluate(name) == "none"
    assert watched(pages["neuron"], "#step=7", reduced_motion="no-preference").evaluate(name) == "flow"


def test_screen_readers(watched, pages):
    page = watched(pages["neuron"], "#step=7")
    assert page.locator("#say[aria-live=polite]").inner_text() == page.locator(".told").inner_text()
    assert page.locator(".node.active").get_attribute("aria-current") == "step"
    assert "operation add" in page.locator(".node.active").get_attribute("aria-label")
    nameless = """[...document.querySelectorAll('button, input, select')].filter(
        e => !(e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length))).map(e => e.id)"""
    assert page.evaluate(nameless) == []
    page.locator(".node.active").focus()
    assert page.evaluate("document.activeElement.id")


def test_paper(watched, pages):
    page = watched(pages["neuron"], "#step=7")
    paper = page.pdf()
    assert len(paper) > 5000
    assert len(re.findall(rb"/Type /Page\b", paper)) <= 2  # no sheet is left half empty
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#all li").count() == 13
    assert page.locator("#all").is_visible()
    assert not page.locator("#controls").is_visible()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("#all li").count() == 0


def test_in_a_frame_without_rights(watched, tmp_path):
    """As JupyterLab shows it: a srcdoc frame with scripts and nothing else."""
    shown = programs.neuron()._repr_mimebundle_()["text/html"]
    (tmp_path / "notebook.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{shown}", encoding="utf-8")
    page = watched(tmp_path / "notebook.html")
    frame = page.frame_locator("iframe")
    frame.locator("#next").click()
    assert frame.locator("#position").inner_text() == "Step 2 of 13"
    frame.locator(".node", has_text="out = tanh").click()
    assert frame.locator("#position").inner_text() == "Step 5 of 13"
    frame.locator("#language").click()
    assert "第 5 步" in frame.locator("#position").inner_text()
    page.locator("summary").click()
    assert page.evaluate("document.querySelector('details img').naturalWidth") > 100


def test_hostile_names_stay_text(watched, tmp_path):
    name = "<img src=x onerror=alert(1)></script><script>alert(2)</script>&amp;\"' {title} \u2028 你好 🙂"
    w = mt.tensor(2.0, requires_grad=True).named(name)
    y = (w * w).named("]]>" + name)
    trace = mt.trace(y, title=name)
    page = watched(trace.save(tmp_path / "hostile.html"))
    for _ in range(len(trace)):
        assert page.locator("img").count() == 0
        page.keyboard.press("ArrowRight")
    assert "<img src=x" in page.locator("h1").inner_text()
    assert "<img src=x" in page.locator(".node").first.inner_html().replace("&lt;", "<")


def test_the_policy_forbids_everything_else(watched, pages):
    page = watched(pages["neuron"])
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    text = pages["neuron"].read_text(encoding="utf-8")
    outside = set(re.findall(r"https?://[^\s\"'<>\\]+", html.unescape(text)))
    assert outside <= {"http://www.w3.org/1998/Math/MathML", "http://www.w3.org/2000/svg"}


def test_the_gradient_of_a_leaf_is_forgotten_unless_a_new_pass_adds_to_it(watched, pages, tmp_path):
    def at_the_second_seed(path, leaf):
        trace = mt.trace(getattr(programs, path.stem))
        k = [k for k, step in enumerate(trace.data["steps"], 1) if step["phase"] == "seed"][1]
        page = watched(path, f"#step={k}")
        assert page.locator(".phase").inner_text() == "Seed gradient"
        return page.locator(".node", has_text=leaf).first.locator(".grad .number").text_content()

    assert at_the_second_seed(pages["second_order"], "x") == "–"  # grad() has returned it
    assert at_the_second_seed(mt.trace(programs.two_steps).save(tmp_path / "two_steps.html"), "w") == "4"


def test_long_traces_say_that_they_are_folded(watched, tmp_path):
    x = mt.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(1500):
        y = (y * 1.0001).sin()
    page = watched(mt.trace(y).save(tmp_path / "long.html"))
    assert "operations are folded" in page.locator("#notes").inner_text()
    assert page.locator(".node.folded .title").text_content() == "v3 = … 1498 × (mul, sin)"
    page.keyboard.press("l")
    assert "已折叠" in page.locator("#notes").inner_text()
    for _ in range(steps_in(page)):
        assert not re.search(r"\{\w+\}|undefined", page.locator("#card").inner_text())
        page.keyboard.press("ArrowRight")
