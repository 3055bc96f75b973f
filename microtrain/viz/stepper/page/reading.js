// Reading the trace: nodes, values, and what is known after each step.

const trace = JSON.parse(document.getElementById("trace").textContent);
const words = JSON.parse(document.getElementById("words").textContent);
const steps = trace.steps;
const nodes = new Map(trace.nodes.map((node) => [node.id, node]));
const edges = new Map(trace.edges.map((edge) => [edge.id, edge]));

const DIGITS = 6; // of single numbers in the card and in sentences; the graph has fewer

const state = {
  at: 0, // the step shown, from 0
  language: document.documentElement.lang.startsWith("zh") ? 1 : 0,
  theme: "auto",
  guessing: false,
  answers: new Map(), // step: {entry, right, revealed}
  out: null, // the entries picked: of the operation's output,
  into: null, // and of its input
  expanded: new Set(),
};

// A text in the language of the moment, its {holes} filled.
function say(name, holes = {}) {
  const text = words[name][state.language];
  return text.replace(/\{(\w+)\}/g, (whole, hole) => (hole in holes ? holes[hole] : whole));
}

function byId(id) {
  return document.getElementById(id);
}

// An element: tag, attributes (functions are listeners), children (texts or elements).
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) element.append(child);
  }
  return element;
}

// A formula of the trace as an element. It is read as XML, so nothing in it can become a script.
function formula(place) {
  if (place === undefined || place === null) return null;
  const parsed = new DOMParser().parseFromString(trace.math[place], "application/xml");
  if (parsed.querySelector("parsererror")) return null;
  const math = document.importNode(parsed.documentElement, true);
  math.setAttribute("display", "block");
  return make("div", { lang: "en" }, math); // so that its fonts are the same in Chinese
}

// ---- numbers ----

// Four significant digits, as Python's "%.4g" has them.
function short(x, digits = 4) {
  if (typeof x === "boolean") return x ? "True" : "False";
  if (typeof x === "string") return x.replace("Infinity", "∞").replace("-", "−");
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return String(x).replace("-", "−").replace(/^−0$/, "0");
  let [mantissa, exponent] = x.toExponential(digits - 1).split("e");
  exponent = Number(exponent);
  let text;
  if (exponent < -4 || exponent >= digits) {
    if (mantissa.includes(".")) mantissa = mantissa.replace(/\.?0+$/, "");
    text = mantissa + "e" + (exponent < 0 ? "-" : "+") + String(Math.abs(exponent)).padStart(2, "0");
  } else {
    text = x.toFixed(Math.max(0, digits - 1 - exponent));
    if (text.includes(".")) text = text.replace(/\.?0+$/, "");
  }
  return text.replace(/-/g, "−");
}

// All digits, as Python prints them where JavaScript prints the same.
function exact(x) {
  return typeof x === "string" ? x : Number.isInteger(x) && Math.abs(x) < 1e15 ? String(x) : String(x);
}

function plain(x) {
  return typeof x === "string" ? Number(x) : Number(x);
}

function count(shape) {
  return shape.reduce((a, b) => a * b, 1);
}

function shapeText(shape) {
  return "(" + shape.join(", ") + (shape.length === 1 ? ",)" : ")");
}

function row(place) {
  return place === undefined || place === null ? null : trace.values[place];
}

// A value in a few characters: a number, a short vector, else the shape. (drawing.py does the same.)
function brief(place, digits = 4) {
  const value = row(place);
  if (!value) return "?";
  if (!value.shape.length) return short(value.data[0], digits);
  if (value.shape.length === 1 && value.data.length <= 4) {
    const text = "[" + value.data.map((x) => short(x, 3)).join(", ") + "]";
    if (text.length <= 22) return text;
  }
  return shapeText(value.shape);
}

// Does `brief` tell the numbers themselves?
function isShort(place) {
  const value = row(place);
  return Boolean(value) && (!value.shape.length || brief(place) !== shapeText(value.shape));
}

// Entries are counted in row-major order.
function indices(entry, shape) {
  const found = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    found.unshift(entry % shape[axis]);
    entry = Math.floor(entry / shape[axis]);
  }
  return found;
}

function entryText(entry, shape) {
  return shape.length ? "[" + indices(entry, shape).join(", ") + "]" : "";
}

// The number at an entry of a value; undefined where the trace has it not.
function at(place, entry) {
  const value = row(place);
  if (!value) return undefined;
  if (!value.window) return value.data[entry];
  const where = indices(entry, value.shape);
  let offset = 0;
  for (let axis = 0; axis < where.length; axis++) {
    if (where[axis] >= value.window[axis]) return undefined;
    offset = offset * value.window[axis] + where[axis];
  }
  return value.data[offset];
}

// ---- what is known after each step ----

function nodeName(id) {
  const node = nodes.get(id);
  if (node.number) return brief(node.value);
  return node.name || node.symbol;
}

function symbolOf(id) {
  const node = nodes.get(id);
  return node.number ? brief(node.value) : node.symbol;
}

// Does a leaf get its gradient in this pass without adding to an older one? (That was returned by grad(), or set to None.)
function beginsAnew(id, walk) {
  const own = steps.filter((step) => step.node === id && step.walk === walk);
  return own.some((step) => step.phase === "backward" || step.way === "backward") && !own.some((step) => step.phase === "accumulate");
}

// {node: place of its gradient}, {node: place of its value}, and which nodes are computed, after step k.
function known(k) {
  const gradients = new Map();
  const values = new Map();
  const done = new Set();
  let walk = 0;
  for (let i = 0; i <= k; i++) {
    const step = steps[i];
    if (step.phase === "seed" && step.walk !== walk) {
      walk = step.walk;
      for (const id of [...gradients.keys()]) if (nodes.get(id).kind === "operation" || beginsAnew(id, walk)) gradients.delete(id);
    }
    if (step.phase === "forward") done.add(step.node);
    if (step.phase === "folded" && step.way === "forward") done.add(step.node);
    if (step.phase === "folded" && step.way === "backward") gradients.set(step.node, step.new);
    if (step.phase === "seed" || step.phase === "backward" || step.phase === "accumulate") gradients.set(step.node, step.new);
    if (step.phase === "update") values.set(step.node, step.new);
  }
  return { gradients, values, done };
}

const forwardOf = new Map(steps.filter((s) => s.phase === "forward").map((s) => [s.node, s]));
const computed = new Set(steps.filter((s) => s.phase === "forward" || s.way === "forward").map((s) => s.node));

// Where a new phase begins: the first step of each stretch of one phase.
function phaseOf(step) {
  return step.phase + ":" + (step.walk || 0);
}
