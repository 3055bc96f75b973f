"""The book's hands-on problems that survive as numbers only, and where each is realised here."""

from __future__ import annotations

from typing import Any

from ..entry import ITEMS, item
from ..run import Run

HANDS_ON = {  # number of the problem: items
    3154353: ("langevin-noisy-gd", "noise-escape-sharp-to-flat"),
    3154374: ("warmup-time-varying-curvature", "warmup-deep-chain"),
    3154377: (
        "deep-linear-network", "deep-linear-backprop", "deep-linear-random-labels", "deep-linear-rank-bottleneck",
        "deep-linear-dependent-inputs",
    ),
    3154392: ("quadratic-hessian-kappa", "preconditioned-gd"),
    3154402: ("heavy-ball-momentum", "momentum-accelerates-and-damps", "momentum-overshoot-quartic"),
    3154417: ("erm-least-squares-mean", "least-squares-gradient-closed-form", "minibatch-gradient-unbiased"),
    3154427: ("exponential-decay", "cosine-annealing", "cosine-versus-exponential-shape", "schedule-changes-basin"),
    3154456: ("descent-lemma", "gd-two-over-l-threshold", "armijo-backtracking", "armijo-acceptance-threshold"),
    3154457: ("adam-rmsprop-gradient-sequence",),
    3154465: ("momentum-crosses-plateau", "plateau-valley-optimizer-race"),
}  # fmt: skip


@item(
    "optim-announced-topics",
    kind="guidance",
    source="Deep-learning optimizers and The dynamics of gradient descent, the introductions",
    title=("What the texts announce", "文中预告的内容"),
    statement=(
        "The introductions promise applications (model compression, multi-task learning; control theory, chemistry, evolution; "
        "physics, economics) and a section of hands-on problems.",
        "两篇引言预告了应用部分（模型压缩、多任务学习；控制理论、化学、演化；物理、经济）和动手实践一节。",
    ),
    verdict="holds with a condition",
    correction=(
        "The texts at hand do not contain these parts. Of the hands-on section only ten problem numbers are left; the set-ups of "
        "the experiments here are ours, and do what the text around each number says.",
        "现有文本不含这些部分。动手实践一节只留下 10 个题号；这里的实验设置由我们给出，内容依照各题号前后的正文。",
    ),
    ranges={"problem": tuple(map(str, HANDS_ON))},
)
def announced_topics(run: Run, problem: str = "3154457") -> None:
    run.claim(("hands-on problems", "动手实践题数"), len(HANDS_ON), equals=10)
    for number, ids in HANDS_ON.items():
        there = [id for id in ids if id in ITEMS]
        run.claim(
            (f"problem {number}: items that can be run", f"题号 {number}：可运行的条目数"), len(there), equals=len(ids)
        )
        named = [id for id in there if str(number) in ITEMS[id].source]
        run.claim(("and that name it as their source", "其中注明该题号的条目数"), len(named), at_least=1)
    run.table(
        ("The hands-on problems", "动手实践题"),
        ("problem", "items"),
        [(number, ", ".join(ids)) for number, ids in HANDS_ON.items()],
    )

    def draw(ax: Any) -> None:
        counts = [len(ids) for ids in HANDS_ON.values()]
        places = range(len(counts))
        colours = ["C1" if str(number) == problem else "C0" for number in HANDS_ON]
        ax.barh(places, counts, color=colours)
        for place, ids in zip(places, HANDS_ON.values(), strict=True):
            lines = (", ".join(ids[:3]), ", ".join(ids[3:]))
            ax.text(len(ids) + 0.1, place, ",\n".join(filter(None, lines)), va="center", fontsize=8)
        ax.set(
            yticks=places, yticklabels=list(map(str, HANDS_ON)), xlabel="items", ylabel="hands-on problem", xlim=(0, 15)
        )
        ax.set_xticks(range(6))
        ax.invert_yaxis()

    run.figure(("Which items realise which problem", "各题对应的条目"), draw, size=(9.0, 4.2))
