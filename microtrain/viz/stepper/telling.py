"""A step in words and numbers, for the terminal. The page's card.js tells the same with the same words."""

from __future__ import annotations

import math
from typing import Any

from .drawing import brief, shape_text, short_number
from .page import words
from .values import plain

DIGITS = 6  # of single numbers
SIDE = 6  # rows and columns of a matrix that are printed


class Teller:
    """Tells the steps of a trace in one language (0 English, 1 Chinese)."""

    def __init__(self, data: dict[str, Any], language: int = 0) -> None:
        self.data, self.language = data, language
        self.nodes = {node["id"]: node for node in data["nodes"]}
        self.passes = max((step.get("walk", 0) for step in data["steps"]), default=0)

    def say(self, word: str, **holes: Any) -> str:
        """A text of words.json with its holes filled."""
        text = words()[word][self.language]
        for name, value in holes.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def notes(self) -> list[str]:
        """What is to be known of the whole trace: that it was folded, for instance."""
        return [self.say(f"note_{note['kind']}", **note) for note in self.data["notes"]]

    def name(self, key: str) -> str:
        node = self.nodes[key]
        return brief(self.data["values"][node["value"]]) if node.get("number") else node["name"] or node["symbol"]

    def is_short(self, place: int | None) -> bool:
        """Does `brief` tell the numbers themselves?"""
        if place is None:
            return False
        row = self.data["values"][place]
        return not row["shape"] or brief(row) != shape_text(row["shape"])

    def phase(self, step: dict[str, Any]) -> str:
        """The heading of a step."""
        if step["phase"] == "forward" and step.get("walk"):
            return self.say("phase_recorded", walk=step["walk"])
        if step["phase"] == "backward" and self.passes > 1:
            return self.say("phase_backward_n", walk=step["walk"])
        return self.say("phase_" + step["phase"])

    def narration(self, step: dict[str, Any], hidden: bool = False) -> str:
        """What happens, in a sentence or two. `hidden` leaves the product out."""
        phase = step["phase"]
        holes: dict[str, Any] = {"node": self.name(step["node"]), "count": step.get("count", 0)}
        for name in ("value", "upstream", "local", "product", "old", "new", "add"):
            if step.get(name) is not None:
                holes[name] = brief(self.data["values"][step[name]], DIGITS)

        def tell(word: str, *names: str) -> str:  # numbers are told, if all of them are short
            short = all(self.is_short(step.get(name)) for name in names)
            return self.say(word if short else f"{word}_array", **holes)

        if phase == "forward":
            holes["operation"] = self.nodes[step["node"]]["operation"]
            return tell("say_forward", "value")
        if phase == "seed":
            row = self.data["values"][step["new"]]
            is_one = not row["shape"] and plain(row["data"][0]) == 1
            return self.say("say_seed", **holes) if is_one else tell("say_seed_given", "new")
        if phase == "folded":
            forward = step["way"] == "forward"
            return self.say("say_folded_forward", **holes) if forward else tell("say_folded_backward", "new")
        if phase == "update":
            holes["optimizer"] = step["update"]["optimizer"]
            return tell("say_update", "old", "new")
        if phase == "accumulate":
            return tell("say_accumulate", "old", "add", "new")
        holes["of"] = self.name(step["of"])
        gap = "" if self.language else " "  # a full stop in Chinese has its own
        parts = [self.say("say_hook", **holes)] if step.get("note") == "hook" else []
        single = self.is_single(step)
        if hidden:
            return gap.join([*parts, self.say("say_guess" if single else "say_guess_array", **holes)])
        parts.append(self.say("say_backward" if single else "say_backward_array", **holes))
        uses = self.nodes[step["of"]]["inputs"].count(step["node"])
        if uses > 1:  # x * x is printed as a square, and the derivative in one of its places is not that of the square
            parts.append(self.say("say_uses", **holes, uses=uses))
        if "axes" in step:
            parts.append(self.say("say_axes", **holes, axes=", ".join(map(str, step["axes"]))))
        parts.append(tell("say_more", "old", "product", "new") if "old" in step else tell("say_first", "new"))
        return gap.join(parts)

    def is_single(self, step: dict[str, Any]) -> bool:
        """Is this edge one number times one number?"""
        rows = [self.data["values"][step[name]] for name in ("product", "local") if step.get(name) is not None]
        return len(rows) == 2 and not any(row["shape"] for row in rows)

    def rows(self, step: dict[str, Any], hidden: bool = False) -> list[tuple[str, str]]:
        """(what, value) of a step, values over several lines."""
        phase, found = step["phase"], []
        if phase == "forward":
            node = self.nodes[step["node"]]
            found += [(self.name(key), self.value(self.nodes[key].get("value"))) for key in node["inputs"]]
            found.append((f"{self.name(step['node'])} = {step.get('value_text', '')}", self.value(step.get("value"))))
        elif phase == "seed" or step.get("way") == "backward":
            found.append((self.say("seed"), self.value(step.get("new"))))
        elif phase == "folded":
            found.append((self.say("value"), self.value(step.get("value"))))
        elif phase == "accumulate":
            labels = {"old": "grad_before", "add": "grad_this", "new": "grad_after"}
            found += [(self.say(word), self.value(step[name])) for name, word in labels.items()]
        elif phase == "update":
            found += self._update(step)
        else:
            found += self._edge(step, hidden)
        return found

    def code(self, step: dict[str, Any]) -> list[tuple[str, str]]:
        """(what, line) of the code that belongs to a step: the engine's and the learner's."""
        node = self.nodes[step.get("of", step["node"])]
        found = [(self.say("engine"), step["code"])] if "code" in step else []
        return [*found, (node["site"], node["line"])] if node.get("site") else found

    def _edge(self, step: dict[str, Any], hidden: bool) -> list[tuple[str, str]]:
        found = [(self.say("upstream"), self.value(step["upstream"]))]
        if "local" in step:
            text = step.get("derivative_text", "")
            found.append((self.say("local") + (f" {text}" if text else ""), self.value(step["local"])))
        if hidden:
            return [*found, (self.say("product"), "?")]
        if "axes" in step and "raw" in step:
            found.append((self.say("raw"), self.value(step["raw"])))
            found.append((self.say("sum_axes", axes=", ".join(map(str, step["axes"]))), self.value(step["product"])))
        else:
            found.append((self.say("product"), self.value(step["product"])))
        old = self.value(step["old"]) if "old" in step else f"- {self.say('none_yet')}"
        return [*found, (self.say("old"), old), (self.say("new"), self.value(step["new"]))]

    def _update(self, step: dict[str, Any]) -> list[tuple[str, str]]:
        update = step["update"]
        settings = "  ".join(f"{name} = {short_number(plain(x))}" for name, x in update["settings"].items())
        found = [(self.say("settings"), settings)] if settings else []
        found.append((self.say("parameter_before"), self.value(step["old"])))
        if update["gradient"] is not None:
            found.append((self.say("grad_this"), self.value(update["gradient"])))
        shape = self.data["values"][step["old"]]["shape"]
        one = math.prod(shape) > 1  # all entries of all terms would fill several screens
        if one and update["lines"]:
            found.append((self.say("terms_at", entry=[0] * len(shape)), ""))
        tell = self._first if one else self.value
        for line in update["lines"]:
            found += [(f"  {text}", tell(value)) for _, value, text in line["terms"]]
            found.append((line["text"], tell(line["value"])))
        if not update["lines"]:
            found.append((self.say("no_rule"), ""))
        return [*found, (self.say("parameter_after"), self.value(step["new"]))]

    def _first(self, place: int | None) -> str:
        """The first entry."""
        row = self.data["values"][place] if place is not None else None
        return short_number(plain(row["data"][0]), DIGITS) if row is not None and row["data"] else self.value(place)

    def value(self, place: int | None) -> str:
        """Numbers in rows and columns; of large arrays a corner and a summary."""
        if place is None:
            return self.say("not_kept")
        row = self.data["values"][place]
        numbers = [plain(x) for x in row["data"]]
        if not row["shape"]:
            return short_number(numbers[0], DIGITS)
        window = row.get("window", row["shape"])
        if not numbers:
            return f"{self.say('empty')} {shape_text(row['shape'])}"
        columns = window[-1]
        lines = [numbers[i : i + columns] for i in range(0, len(numbers), columns)]
        shown = [[short_number(x, 3) for x in line[:SIDE]] for line in lines[:SIDE]]
        wide = max(len(text) for line in shown for text in line)
        more = " ..." if columns > SIDE else ""
        texts = [" ".join(text.rjust(wide) for text in line) + more for line in shown]
        if len(lines) > SIDE:
            texts.append("...")
        if "window" in row:
            holes = {name: short_number(plain(row[name])) for name in ("mean", "min", "max", "norm") if name in row}
            holes |= {name: " × ".join(map(str, row[name])) for name in ("window", "shape")}
            texts.append(self.say("corner", **holes))
        return "\n".join(texts)
