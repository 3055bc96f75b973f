"""Where in the book something stands, in Chinese: "Chapter 6, eq. 6.5 to 6.7" is “第 6 章，式 (6.5) 至 (6.7)”.

A source names places, apart by ", " and "; ": chapters, sections, equations, figures, problems, theorems by number,
ordinals ("third display"), people with a year, and what `PHRASES` has. For other words an item gives its source in both
languages.
"""

from __future__ import annotations

import re

from ..errors import ArgumentError
from .entry import Item, Text

PLACES = {
    "chapter": "第 {} 章", "section": "第 {} 节", "sections": "第 {} 节", "eq.": "式 ({})", "eqs.": "式 ({})",
    "figure": "图 {}", "table": "表 {}",
    "theorem": "定理 {}", "definition": "定义 {}", "problem": "习题 {}", "hands-on problem": "动手实践题 {}",
    "the summary": "小结 {}",
}  # fmt: skip
ORDINALS = dict(zip("first second third fourth fifth sixth seventh eighth".split(), "一二三四五六七八", strict=True))
NOUNS = {
    "paragraph": "{}段", "sentence": "{}句", "property": "{}条性质", "display": "{}个公式", "remedy": "{}种办法",
    "case": "{}种情形", "conclusion": "{}条结论", "row": "{}行", "reason": "{}条理由", "step": "{}步",
    "cause of exploding gradients": "梯度爆炸的{}种原因",
    "conclusion of the experiment with deep linear networks": "深度线性网络实验的{}条结论",
}  # fmt: skip
PHRASES = {
    # the texts, and their parts
    "deep-learning optimizers": "《深度学习的优化器》",
    "the dynamics of gradient descent": "《梯度下降的动力学》",
    "dynamics of gradient descent": "《梯度下降的动力学》",
    "introduction": "引言",
    "the introduction": "引言",
    "the introductions": "引言",
    "notes": "注释",
    "summary": "小结",
    "the summary": "小结",
    # deep-learning optimizers
    "'gradient descent: basics'": "“梯度下降法：基础与挑战”",
    "l-smooth functions": "$L$-光滑函数",
    "adam on plateaus and in narrow valleys": "Adam 在平坦区域和狭窄山谷中",
    "back-propagation in matrices": "反向传播的矩阵形式",
    "adaptive rates as preconditioning": "作为预处理的自适应学习率",
    "backtracking line search": "回溯线搜索",
    "bias correction": "偏差修正",
    "closing argument": "结尾的论证",
    "decay near the optimum": "最优解附近的衰减",
    "deep linear networks": "深度线性网络",
    "flat minima and generalisation": "平坦极小值与泛化",
    "ill-conditioning": "病态",
    "learning-rate scheduling": "学习率调度",
    "on over-parameterised networks and random labels": "关于过参数化网络与随机标签",
    "on schedules in non-convex losses": "关于非凸损失中的调度",
    "plateau and valley": "平坦区域与山谷",
    "warm-up": "预热",
    "on the curvature of deep networks near their initial values": "关于深度网络在初始值附近的曲率",
    "sharp and flat valleys": "尖锐与平坦的山谷",
    "the armijo condition": "Armijo 条件",
    "the bound on the accepted step": "可接受步长的界",
    "the choice of $\\beta$": "$\\beta$ 的选取",
    "the common principle of adaptive methods": "自适应方法的共同原理",
    "the comparison of the two decays": "两种衰减的比较",
    "the condition number": "条件数",
    "the cost of sgd": "SGD 的计算量",
    "the description of $v_t$": "关于 $v_t$ 的说明",
    "the display of sgd": "SGD 的公式",
    "the display of the descent lemma": "下降引理的公式",
    "the display of the mini-batch gradient": "小批量梯度的公式",
    "the displays of empirical risk": "经验风险的公式",
    "of the mini-batch gradient": "小批量梯度的公式",
    "the display with the noise temperature": "含噪声温度的公式",
    "the displays on momentum": "动量法的公式",
    "the formula of cosine annealing": "余弦退火的公式",
    "the formula of exponential decay": "指数衰减的公式",
    "the function $(x^2 - 1)^2 + \\gamma y^2$": "函数 $(x^2 - 1)^2 + \\gamma y^2$",
    "the list of three challenges": "三项挑战",
    "the paragraph on gradient noise": "关于梯度噪声的一段",
    "the paragraph on momentum": "关于动量的一段",
    "the paragraph on non-convexity": "关于非凸性的一段",
    "the preconditioner": "预处理器",
    "the range of the step size": "步长的范围",
    "the section on adam": "Adam 一节",
    "the section on rmsprop": "RMSProp 一节",
    "the toy model with changing curvature": "曲率变化的小模型",
    "the section on rmsprop: a consequence of its recursion": "RMSProp 一节：由其递推式可得",
    "which the text does not draw": "原文未述",
    "the worked sequence of gradients": "梯度序列的算例",
    "n > d": "$n > d$",
    # the dynamics of gradient descent
    "a one-dimensional parable": "一个一维寓言",
    "crossing the ravine": "穿越峡谷",
    "chaos and the network's architecture": "混沌与网络结构",
    "chaos in training": "训练中的混沌",
    "chaos needs a non-linear map": "混沌需要非线性映射",
    "chaos: a deterministic non-linear map": "混沌：确定性的非线性映射",
    "escaping saddle points": "逃离鞍点",
    "escaping saddle points: not trapped for ever": "逃离鞍点：不会永久受困",
    "implicit bias (a case that can be proved)": "隐式偏置（可证明的情形）",
    "implicit bias (its simplest case)": "隐式偏置（最简单的情形）",
    "over-parameterisation": "过参数化",
    "ravines": "峡谷",
    "the beginning and the end": "开头与结尾",
    "the coupled dynamics of the two factors": "两个因子的耦合动力学",
    "the dance of the learning rate": "学习率之舞",
    "the equation of gradient flow": "梯度流的方程",
    "the hidden structure of descent": "下降过程的隐藏结构",
    "the hiker in the fog": "雾中的徒步者",
    "the hiker takes discrete steps": "徒步者采取离散的步长",
    "the implicit bias of small initial weights": "小初始权重的隐式偏置",
    "the paragraph on the hessian": "关于 Hessian 矩阵的一段",
    "the section on the hessian": "Hessian 矩阵一节",
    "the two-layer linear network": "两层线性网络",
    "the squared norms of the factors": "因子范数的平方",
    "the nuclear norm": "核范数",
    "the time it takes": "逃离所需的时间",
    "the two-layer linear network of the dynamics of gradient descent": "《梯度下降的动力学》中的两层线性网络",
    "update rule": "更新规则",
    "water in a drain": "排水口的水流",
    "water in a drain (mended)": "排水口的水流（更正后）",
    "“equivalent to the smallest nuclear norm”": "“等价于核范数最小”",
    # chapter 6
    "sgd versus adam": "SGD 与 Adam",
    "adaptive methods": "自适应方法",
    "adaptive methods and warm-up": "自适应方法与预热",
    "beyond gradient descent": "超越梯度下降",
    "exhaustive search": "穷举搜索",
    "historical remarks": "历史说明",
    "good progress in every direction": "在每个方向上都有进展",
    "line search": "线搜索",
    "line search by bracketing": "夹逼法线搜索",
    "the notes on convexity": "关于凸性的注释",
    "notes on convexity": "关于凸性的注释",
    "the notes on the hessian's eigenvalues": "关于 Hessian 矩阵特征值的注释",
    "properties of sgd": "SGD 的性质",
    "wide minima": "较宽的极小值",
    "the paragraph on adam": "关于 Adam 的一段",
    "the paragraph on convergence": "关于收敛的一段",
    "the theoretical disputes about adam": "关于 Adam 的理论争议",
    "the text after it": "其后的文字",
    "the gabor model of eq. 6.8": "式 (6.8) 的 Gabor 模型",
    "beside the optimizer text's displays of adam": "对照《深度学习的优化器》中 Adam 的公式",
    # chapter 4
    "choosing a loss": "损失函数的选择",
    "the figure of loss surfaces and gradients": "损失曲面与梯度的图",
    "on the prevalence of saddles": "关于鞍点的普遍性",
    "on the quality of local minima": "关于局部极小值的质量",
    "on curvature and escape": "关于曲率与逃离",
    "on schedules": "关于学习率调度",
    "on the behaviour at the boundary": "关于边界行为",
    "the hessian of cross-entropy": "交叉熵的 Hessian 矩阵",
    "the bound on the lipschitz constant of cross-entropy": "交叉熵的 Lipschitz 常数的界",
    "the paragraph on $\\eta < 2/l$": "关于 $\\eta < 2/L$ 的一段",
    "first two paragraphs": "前两段",
    "last paragraph but one": "倒数第二段",
    "the worked example": "算例",
    "the chain rule": "链式法则",
}
SIDES = {"after": "之后", "before": "之前", "before and after": "前后"}
NUMBER = r"\d+(?:\.\d+)*(?: ?[a-d](?: to [a-d]|-[a-d])?\b)?"
PLACE = re.compile(rf"({'|'.join(map(re.escape, PLACES))}) ({NUMBER}(?:, {NUMBER})*)(?: ?(to|-|and) ?({NUMBER}))?")
ORDINAL = re.compile(rf"({'|'.join(ORDINALS)}|last) ({'|'.join(NOUNS)})")
PEOPLE = re.compile(r"(?:[^\W\d_][\w-]+(?: and [^\W\d_][\w-]+| et al\.)? \d{4}(?:, )?|, [A-Z]\w+)+")
APART = re.compile(r"(, (?!\d)|; )(?=(?:[^()$]|\([^()]*\)|\$[^$]*\$)*$)")  # not inside parentheses or formulas


def chinese(source: str) -> str:
    """The source in Chinese. Raises `ArgumentError` for words that it does not know."""
    parts = APART.split(source)
    signs = {", ": "，", "; ": "；"}
    text = "".join(signs[part] if part in signs else _phrase(part, source) for part in parts)
    text = re.sub(r"([\w)$])(?=[\u4e00-\u9fff])", _spaced, text)  # 图 6.4 和
    return text.replace("》，“", "》“")


def _spaced(match: re.Match[str]) -> str:
    return match[1] + (" " if match[1].isascii() else "")


def where(entry: Item) -> Text:
    """An item's source in both languages; in English twice, if it is not known in Chinese."""
    try:
        return entry.source, entry.source_zh or chinese(entry.source)
    except ArgumentError:
        return entry.source, entry.source


def _phrase(words: str, source: str) -> str:
    lower = words[:1].lower() + words[1:]
    if known := PHRASES.get(words.lower()):
        return known
    if re.fullmatch(r"\$[^$]+\$", words):
        return words
    if place := PLACE.fullmatch(lower):
        return _place(*place.groups())
    if ordinal := ORDINAL.fullmatch(lower):
        number = "最后一" if ordinal[1] == "last" else f"第{ORDINALS[ordinal[1]]}"
        return NOUNS[ordinal[2]].format(number)
    if PEOPLE.fullmatch(words):
        return words.replace(" and ", " 和 ").replace(" et al. ", " 等 ").replace(", ", "、")
    if remark := re.fullmatch(r"(.+) \(([^()]+)\)", words):
        return f"{_phrase(remark[1], source)}（{_phrase(remark[2], source)}）"
    if side := re.fullmatch(r"(?:the text )?(before and after|after|before) (.+)", lower):
        return _phrase(side[2], source) + SIDES[side[1]]
    if words.startswith("and "):
        return "以及" + _phrase(words[4:], source)
    for joint, sign in ((" and ", "和"), (" beside ", "与")):
        for cut in re.finditer(joint, words):
            try:
                first, second = _phrase(words[: cut.start()], source), _phrase(words[cut.end() :], source)
            except ArgumentError:
                continue
            return f"{first}{sign}{second}"
    if side := re.fullmatch(r"(.+) (after|before) (.+)", words):
        return f"{_phrase(side[3], source)} {SIDES[side[2]]}的{_phrase(side[1], source)}"
    raise ArgumentError(
        f"'{words}', in the source '{source}', is not known in Chinese.",
        fix="Write it like other sources, add it to PHRASES, or give the item's source in both languages.",
    )


def _place(kind: str, first: str, joint: str | None, second: str | None) -> str:
    def numbered(number: str) -> str:
        return re.sub(r" ?([a-d])(?: to |-)([a-d])$", r" \1～\2", number.replace(", ", "、"))

    if second is None:
        return PLACES[kind].format(numbered(first))
    word = " 和 " if joint == "and" else " 至 "
    if "(" in PLACES[kind]:
        return f"{PLACES[kind].format(first)}{word}({second})"
    return PLACES[kind].format(numbered(first) + word + second)
