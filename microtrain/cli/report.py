"""The demo's report: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import Any

from ..data import DIGITS_CITATION
from ..files import write_text
from ..nn import Module
from ..train import History

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>microtrain: {score:.1%} of the digits right</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }}
h1 {{ font-size: 1.6rem; }} h2 {{ font-size: 1.2rem; margin-top: 2rem; }}
img {{ max-width: 100%; height: auto; background: white; border-radius: 6px; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .15rem .8rem .15rem 0; text-align: left; }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
pre {{ overflow-x: auto; padding: .6rem; border: 1px solid #8884; border-radius: 6px; }}
figure {{ margin: 0; }} figure div {{ overflow-x: auto; }} figcaption {{ color: #777; font-size: .9rem; }}
@media (max-width: 45rem) {{ img {{ max-width: max(100%, 36rem); }} }}
.wide {{ width: 96vw; margin-left: calc(50% - 48vw); }} .wide img {{ min-width: 62rem; }}
</style>
</head>
<body>
<h1>{right} of {count} handwritten digits right: {score:.2%}</h1>
<p>A multilayer perceptron with {parameters} parameters, trained for {epochs} epochs on {train_count} images of 8 by 8
pixels and tested on {count} others that it never saw during training. The training took {seconds:.1f} s.</p>
{figures}
<h2>The run</h2>
<table>{settings}</table>
<pre>{model}</pre>
<p>Repeat it: <code>{command}</code></p>
{notes}
<p><small>Data: {citation}.</small></p>
</body>
</html>
"""

FIGURES = {
    "learning_curves.png": (
        "Learning curves",
        "Loss and accuracy after each epoch. The training numbers are means over the epoch, while the "
        "parameters still moved; the test numbers are measured at its end.",
    ),
    "confusion_matrix.png": (
        "What was taken for what",
        "Rows are the true digits, columns the network's answers. Everything off the diagonal is a mistake.",
    ),
    "wrong_digits.png": ("The digits it got wrong", "Above each: the true digit, the answer, and how sure it was."),
    "compute_graph.svg": (
        "The compute graph of one training step",
        "From the images and the parameters to the loss, with the gradients that flowed back.",
    ),
}


def write_report(
    out: Path, history: History, settings: dict[str, Any], model: Module, seconds: float, notes: list[str]
) -> None:
    """Write `report.html`, with the pictures that lie in `out` inside it."""
    score, count = settings["test_accuracy"], settings["test_images"]
    hidden = " ".join(f"--hidden {width}" for width in settings["hidden"])
    command = f"microtrain demo --seed {settings['seed']} --epochs {settings['epochs']} {hidden} --lr {settings['lr']}"
    rows = {**settings, **history.rows[-1]}
    page = PAGE.format(
        score=score,
        right=round(score * count),
        count=count,
        train_count=f"{settings['train_images']:,}",
        parameters=f"{sum(p.numel() for p in model.parameters()):,}",
        epochs=settings["epochs"],
        seconds=seconds,
        figures="\n".join(_figure(out / name, *texts) for name, texts in FIGURES.items() if (out / name).exists()),
        settings="".join(
            f"<tr><th>{key}</th><td class=number>{_number(value)}</td></tr>" for key, value in rows.items()
        ),
        model=html.escape(f"{model}\n\n{model.summary()}"),
        command=html.escape(command),
        notes="".join(f"<p>{html.escape(note)}</p>" for note in notes),
        citation=html.escape(DIGITS_CITATION),
    )
    write_text(out / "report.html", page)


def _number(value: Any) -> str:
    return html.escape(f"{value:.4g}" if isinstance(value, float) else str(value))


def _figure(path: Path, title: str, caption: str) -> str:
    kind = "svg+xml" if path.suffix == ".svg" else path.suffix[1:]
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    wide = " class=wide" if kind == "svg+xml" else ""  # its letters are small: all of the window is for it
    return (
        f"<h2>{title}</h2><figure><div{wide}><img alt='{title}' src='data:image/{kind};base64,{data}'></div>"
        f"<figcaption>{caption}</figcaption></figure>"
    )
