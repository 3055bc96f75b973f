// The card: everything about one step, with its formula, its numbers and its line of code.

function showCard() {
  const step = steps[state.at];
  const card = byId("card");
  const focus = focusedCell();
  card.replaceChildren(...cardOf(step).flat().filter(Boolean));
  if (focus) restoreFocus(focus);
  byId("say").textContent = narration(step);
}

function focusedCell() {
  const td = document.activeElement && document.activeElement.closest("td[data-entry]");
  return td ? td.closest("[data-role]").dataset.role : null;
}

function restoreFocus(role) {
  const td = document.querySelector(`[data-role="${role}"] td[tabindex="0"]`);
  if (td) td.focus();
}

function cardOf(step) {
  const head = [
    make("p", { class: "phase " + step.phase }, phaseText(step)),
    make("p", { class: "told" }, narration(step)),
  ];
  const body = { forward, seed, backward, accumulate, update, folded }[step.phase](step);
  return [...head, ...body, codeLines(step)];
}

function phaseText(step) {
  if (step.phase === "forward" && step.walk) return say("phase_recorded", { walk: step.walk });
  if (step.phase === "backward" && steps.some((s) => s.walk > 1)) return say("phase_backward_n", { walk: step.walk });
  return say("phase_" + step.phase);
}

// The step in words, also for screen readers. (telling.py does the same for the terminal.)
function narration(step) {
  const holes = { node: nodeName(step.node), count: step.count };
  for (const name of ["value", "upstream", "local", "product", "old", "new", "add"]) {
    if (name in step) holes[name] = brief(step[name], DIGITS);
  }
  // Numbers are told, if all of them are short; else the sentence does without.
  const tell = (word, ...names) => say(names.every((name) => isShort(step[name])) ? word : word + "_array", holes);
  if (step.phase === "forward") {
    holes.operation = nodes.get(step.node).operation;
    return tell("say_forward", "value");
  }
  if (step.phase === "seed") {
    const value = row(step.new);
    return !value.shape.length && plain(value.data[0]) === 1 ? say("say_seed", holes) : tell("say_seed_given", "new");
  }
  if (step.way === "forward") return say("say_folded_forward", holes);
  if (step.way === "backward") return tell("say_folded_backward", "new");
  if (step.phase === "update") {
    holes.optimizer = step.update.optimizer;
    return tell("say_update", "old", "new");
  }
  if (step.phase === "accumulate") return tell("say_accumulate", "old", "add", "new");
  holes.of = nodeName(step.of);
  const single = ["product", "local"].every((name) => isShort(step[name]) && !row(step[name]).shape.length);
  const parts = [];
  const gap = state.language ? "" : " "; // a full stop in Chinese has its own
  if (step.note === "hook") parts.push(say("say_hook", holes));
  if (hides(step)) return [...parts, say(single ? "say_guess" : "say_guess_array", holes)].join(gap);
  parts.push(say(single ? "say_backward" : "say_backward_array", holes));
  const uses = nodes.get(step.of).inputs.filter((key) => key === step.node).length;
  if (uses > 1) parts.push(say("say_uses", { ...holes, uses }));
  if (step.axes) parts.push(say("say_axes", { ...holes, axes: step.axes.join(", ") }));
  parts.push("old" in step ? tell("say_more", "old", "product", "new") : tell("say_first", "new"));
  return parts.join(gap);
}

// ---- the phases ----

function forward(step) {
  const node = nodes.get(step.node);
  const inputs = node.inputs.map((id) => field(nodeLabel(id), table(nodes.get(id).value, { key: "in" + id })));
  return [
    formulas(step.value_math, step.value_numbers),
    node.detail ? make("p", { class: "faint" }, node.detail) : null,
    fields([...inputs, field(nodeLabel(step.node), table(step.value, { key: "value" }), "result")]),
  ];
}

function nodeLabel(id) {
  const node = nodes.get(id);
  const symbol = node.name && node.symbol && node.symbol !== node.name ? ` (${node.symbol})` : "";
  return nodeName(id) + symbol;
}

function seed(step) {
  const list = [];
  if ("old" in step) list.push(field(say("old"), table(step.old)), field("+", table(step.add)));
  list.push(field(say("seed"), table(step.new, { key: "new" }), "result"));
  return [make("p", { class: "equation" }, "∂L / ∂L = 1"), fields(list)];
}

function backward(step) {
  pickEntries(step);
  const hidden = hides(step);
  const output = nodes.get(step.of);
  const marked = new Set(termsOf(step, state.into).map((term) => term[0]));
  const pickOut = { pick: state.out, onpick: (entry) => pick({ out: entry }), marked };
  const pickIn = { pick: state.into, onpick: (entry) => pick({ into: entry }) };
  const d = (of, by) => `∂${of}/∂${by}`;
  const [y, x] = [symbolOf(step.of), symbolOf(step.node)];
  const list = [field(say("upstream"), table(step.upstream, { ...pickOut, key: "up" }), "", ("local" in step ? "" : "g = ") + d("L", y), "out")];
  if ("local" in step) {
    list.push(field(say("local"), table(step.local, { ...pickOut, key: "local" }), "", d(y, x), "local"));
  }
  const result = [];
  if (hidden) {
    result.push(field(say("product"), guessForm(step), "result"));
  } else {
    if ("raw" in step && step.axes) {
      result.push(field(say("raw"), table(step.raw, { key: "raw" }), "", shapeText(row(step.raw).shape)));
      result.push(field(say("sum_axes", { axes: step.axes.join(", ") }), table(step.product, { ...pickIn, key: "product" }), "result", shapeText(row(step.product).shape), "in"));
    } else {
      result.push(field(say("product"), productOf(step) || table(step.product, { ...pickIn, key: "product" }), "result", d("L", x), "in"));
    }
    if (state.guessing) result.push(verdict(step));
    result.push(field(say("old"), "old" in step ? table(step.old, { key: "old" }) : make("span", { class: "faint" }, "– " + say("none_yet"))));
    result.push(field(say("new"), sumOf(step) || table(step.new, { key: "new" }), "result strong"));
  }
  return [
    formulas((forwardOf.get(step.of) || {}).value_math, step.chain, step.derivative_math, step.derivative_numbers),
    fields(list),
    entries(step, output, hidden),
    fields(result),
  ];
}

function accumulate(step) {
  return [
    fields([
      field(say("grad_before"), table(step.old, { key: "old" })),
      field(say("grad_this"), table(step.add, { key: "add" })),
      field(say("grad_after"), table(step.new, { key: "new" }), "result strong"),
    ]),
  ];
}

function update(step) {
  const { update } = step;
  const shape = row(step.old).shape;
  if (state.into === null || state.into >= count(shape)) state.into = 0;
  const picking = shape.length ? { pick: state.into, onpick: (entry) => pick({ into: entry }) } : {};
  const numbers = Object.entries(update.settings).map(([name, x]) => `${name} = ${short(x)}`).join("   ");
  const parts = [
    numbers ? make("p", { class: "settings" }, numbers) : null,
    update.negated ? make("p", {}, say("negated")) : null,
    fields([
      field(say("parameter_before"), table(step.old, { ...picking, key: "old" }), "", "", "in"),
      update.gradient === null ? null : field(say("grad_this"), table(update.gradient, { ...picking, key: "g" })),
      ...Object.entries(update.state).map(([name, place]) => field(say("state_before", { name }), table(place, { key: name }))),
    ]),
  ];
  if (!update.lines.length) parts.push(make("p", { class: "faint" }, say("no_rule")));
  else parts.push(make("h2", {}, shape.length ? say("terms_at", { entry: entryText(state.into, shape) }) : say("terms")));
  for (const line of update.lines) {
    const list = line.terms.map(([math, place]) => term(formula(math), place));
    parts.push(make("div", { class: "rule" }, formula(line.math), make("table", { class: "terms" }, list, term(say("new_value", { name: line.name }), line.value, "result"))));
  }
  parts.push(fields([field(say("parameter_after"), table(step.new, { ...picking, key: "new" }), "result strong")]));
  return parts;
}

function term(label, place, kind = "") {
  const value = row(place);
  const x = value && (value.shape.length ? at(place, state.into) : value.data[0]);
  return make("tr", { class: kind }, make("th", {}, label), make("td", {}, "="), make("td", {}, x === undefined ? "…" : numberElement(x)));
}

function folded(step) {
  const list = [];
  if ("old" in step) list.push(field(say("old"), table(step.old, { key: "old" })));
  if ("new" in step) list.push(field(say("new"), table(step.new, { key: "new" }), "result strong"));
  if ("value" in step) list.push(field(say("value"), table(step.value, { key: "value" })));
  return [fields(list)];
}

// ---- the arithmetic of an edge ----

// What is picked at first: the input entry whose gradient is largest, and the largest term of its sum.
function pickEntries(step) {
  const product = row(step.product);
  if (state.into === null || at(step.product, state.into) === undefined) {
    let [best, largest] = [0, -1];
    product.data.forEach((x, i) => {
      const entry = fullEntry(i, product.window || product.shape, product.shape);
      const seen = termsOf(step, entry).some((term) => at(step.upstream, term[0]) !== undefined);
      const size = (Math.abs(plain(x)) || 0) + (seen ? 1e300 : 0); // those whose sum can be seen in the tables come first
      if (size > largest) [best, largest] = [entry, size];
    });
    state.into = best;
  }
  const terms = termsOf(step, state.into);
  if (state.out === null || at(step.upstream, state.out) === undefined) {
    const visible = terms.filter((term) => at(step.upstream, term[0]) !== undefined);
    const largest = (visible.length ? visible : terms).reduce((a, b) => (Math.abs(plain(b[1]) * plain(b[2])) > Math.abs(plain(a[1]) * plain(a[2])) ? b : a), visible[0] || terms[0] || [0, 0, 0]);
    state.out = largest[0];
  }
}

function pick(change) {
  if ("into" in change && change.into !== state.into) state.out = null;
  Object.assign(state, change);
  show();
}

// [[output entry, derivative, upstream gradient], ...] for an input entry: the terms of its gradient that are not 0.
function termsOf(step, entry) {
  if (step.jacobian) {
    const found = step.jacobian.find((item) => item[0] === entry);
    return found ? found[1] : [];
  }
  if ("local" in step && !step.axes) return [[entry, at(step.local, entry), at(step.upstream, entry)]];
  return [];
}

function entries(step, output, hidden) {
  const into = row(step.product).shape;
  const out = row(step.upstream).shape;
  if ((!into.length && !out.length) || !row(step.product).data.length) return null;
  if (!step.jacobian && !("local" in step)) return null;
  const terms = termsOf(step, state.into);
  const chosen = terms.find((term) => term[0] === state.out);
  const [y, x] = [symbolOf(step.of) + entryText(state.out, out), symbolOf(step.node) + entryText(state.into, into)];
  const line = make("p", { class: "equation" }, `∂${y} / ∂${x} = `, numberElement(chosen ? chosen[1] : 0));
  const written = make("p", { class: "equation sum" });
  terms.forEach((term, i) => {
    if (i) written.append(" + ");
    const mark = term[0] === state.out ? "term picked" : "term";
    const where = entryText(term[0], out);
    written.append(make("span", { class: mark, title: "∂L/∂" + symbolOf(step.of) + where }, `${bracket(term[2])} · ${bracket(term[1])}`));
  });
  const rest = step.jacobian && step.jacobian.find((item) => item[0] === state.into);
  if (rest && rest.length > 2) written.append(` + (${say("more_terms", { count: rest[2], sum: short(rest[3]) })})`);
  if (!terms.length) written.append(say("no_terms"));
  written.prepend(`∂L / ∂${x} = `);
  if (!hidden && terms.length) written.append(" = ", numberElement(at(step.product, state.into)));
  return make("div", { class: "entries" },
    make("p", { class: "faint small" }, say("pick")),
    make("h2", {}, say("jacobian")), line,
    make("h2", {}, say("written_out", { entry: entryText(state.into, into) })), written);
}

function bracket(x, digits = 4) {
  const text = short(x, digits);
  return text.startsWith("−") ? `(${text})` : text;
}

function productOf(step) {
  if (!("local" in step) || row(step.local).shape.length || step.axes) return null;
  const [g, d, p] = [step.upstream, step.local, step.product].map((place) => row(place).data[0]);
  return make("span", {}, `${short(g, DIGITS)} × ${bracket(d, DIGITS)} = `, numberElement(p));
}

function sumOf(step) {
  if (!("old" in step) || row(step.new).shape.length) return null;
  const [old, product, sum] = [step.old, step.product, step.new].map((place) => row(place).data[0]);
  return make("span", {}, `${short(old, DIGITS)} + ${bracket(product, DIGITS)} = `, numberElement(sum));
}

// ---- guess mode ----

function answerOf(step) {
  return state.answers.get(steps.indexOf(step));
}

function hides(step) {
  if (!state.guessing || step.phase !== "backward" || !row(step.product).data.length) return false;
  const answer = answerOf(step);
  return !answer || !(answer.right || answer.revealed);
}

function guessForm(step) {
  const shape = row(step.product).shape;
  const target = at(step.product, state.into);
  const input = make("input", { id: "answer", type: "text", inputmode: "text", autocomplete: "off", size: 12, "aria-label": say("your_guess") });
  const message = make("p", { id: "message", role: "status" });
  const submit = (event) => {
    event.preventDefault();
    const guess = Number(input.value.trim().replace("−", "-").replace(",", "."));
    if (!input.value.trim() || (Number.isNaN(guess) && !/^nan$/i.test(input.value.trim()))) {
      message.textContent = say("no_number");
      return;
    }
    const answer = answerOf(step) || { wrong: 0 };
    if (agrees(guess, plain(target))) {
      settle(step, { ...answer, right: true });
      return;
    }
    state.answers.set(steps.indexOf(step), { ...answer, wrong: answer.wrong + 1 });
    message.textContent = say("wrong", { guess: short(guess) });
    showScore();
    input.select();
  };
  const reveal = () => settle(step, { ...(answerOf(step) || { wrong: 0 }), revealed: true });
  return make("form", { submit },
    make("label", { for: "answer" }, shape.length ? say("guess_entry", { entry: entryText(state.into, shape) }) : say("guess_number")),
    input, make("button", { id: "check" }, say("check")),
    make("button", { id: "reveal", type: "button", class: "quiet", click: reveal }, say("reveal")), message);
}

// To three digits, the last of which may be off by one.
function agrees(guess, target) {
  if (Number.isNaN(target)) return Number.isNaN(guess);
  if (!Number.isFinite(target)) return guess === target;
  return Math.abs(guess - target) <= Math.max(Math.abs(target) * 0.0055, 1e-12);
}

function settle(step, answer) {
  state.answers.set(steps.indexOf(step), { ...answer, entry: state.into });
  show();
  byId("next").focus();
}

function verdict(step) {
  const answer = answerOf(step);
  if (!answer) return null;
  const text = say(answer.right ? "right" : "revealed", { answer: short(at(step.product, answer.entry)) });
  return make("p", { class: answer.right ? "verdict right" : "verdict" }, (answer.right ? "✓ " : "") + text);
}

// Right at the first try counts.
function score() {
  let [right, asked] = [0, 0];
  for (const answer of state.answers.values()) {
    asked += answer.right || answer.revealed || answer.wrong ? 1 : 0;
    right += answer.right && !answer.wrong ? 1 : 0;
  }
  return { right, asked };
}

// ---- pieces ----

function formulas(...places) {
  const found = places.map(formula).filter(Boolean);
  return found.length ? make("div", { class: "formulas" }, found) : null;
}

function fields(list) {
  return make("dl", {}, list.filter(Boolean));
}

function field(label, content, kind = "", formal = "", role = "") {
  const wide = content.querySelector && [...content.querySelectorAll("tr")].some((tr) => tr.cells.length > 4) ? "wide " : "";
  const dd = make("dd", role ? { "data-role": role } : {}, content);
  return make("div", { class: "field " + wide + kind }, make("dt", {}, label, formal ? make("span", { class: "formal", lang: "en" }, formal) : null), dd);
}

function codeLines(step) {
  const node = nodes.get(step.of || step.node);
  const parts = [];
  const about = new Set([step.node, step.of, ...(node.inputs || [])].filter(Boolean));
  const symbols = [...about].map((id) => nodes.get(id)).filter((n) => n.name && n.symbol && n.symbol !== n.name);
  if (symbols.length) {
    const told = symbols.map((n) => `${n.symbol} = ${n.name}`).join(", ");
    parts.push(make("p", { class: "code" }, make("span", { class: "faint" }, say("symbols") + " "), told));
  }
  if (step.code) parts.push(make("p", { class: "code" }, make("span", { class: "faint" }, say("engine") + " "), make("code", {}, step.code)));
  if (node.line || node.site) {
    parts.push(make("p", { class: "code" }, make("span", { class: "faint" }, (node.site || "") + " "), make("code", {}, node.line || "")));
  }
  return parts.length ? make("div", { class: "codes" }, parts) : null;
}
