// The graph: which node and edge are active, what is known so far, zooming, clicking.

const canvas = byId("canvas");
const geometry = JSON.parse(byId("geometry").textContent);
const natural = geometry.size.map((length) => length + 16);
let zoom = null; // null: as large as fits
const graph = draw();

function shape(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function rectangle(kind, x, y, width, height, rx) {
  return shape("rect", { class: kind, x, y, width, height, rx });
}

// The picture, from the geometry; drawing.py draws the same for files.
function draw() {
  const picture = shape("svg", { id: "graph", role: "group", viewBox: `-8 -8 ${natural[0]} ${natural[1]}` });
  const heads = ["head", "feed", "back"].map((id) => {
    const turned = id === "back" ? "auto-start-reverse" : "auto";
    const size = id === "back" ? 15 : 9;
    const place = { viewBox: "0 0 10 10", refX: 10, refY: 5, markerWidth: size, markerHeight: size };
    return shape("marker", { id, ...place, markerUnits: "userSpaceOnUse", orient: turned }, shape("path", { d: "M0 1L10 5L0 9Z" }));
  });
  picture.append(shape("defs", {}, ...heads));
  trace.edges.forEach((edge, i) => {
    const [path, name, left, top, width] = geometry.edges[i];
    picture.append(shape("path", { id: edge.id, class: "edge", d: path }));
    if (name) picture.append(rectangle("stub", left, top, width, 18, 9), shape("text", { x: left + width / 2, y: top + 13 }, name));
  });
  const graded = new Set(steps.filter((s) => s.phase === "seed" || s.phase === "backward" || s.way === "backward").map((s) => s.node));
  trace.nodes.forEach((node, i) => {
    const [left, top, width, height, cut] = geometry.boxes[i];
    const title = cut || titleOf(node);
    const corner = node.kind === "operation" ? 9 : 2;
    const kinds = ["node", node.kind, ...(node.during ? ["during"] : [])].join(" ");
    const group = shape("g", { id: node.id, class: kinds, role: "button" });
    group.append(rectangle("ring", left - 4, top - 4, width + 8, height + 8, corner + 3), rectangle("box", left, top, width, height, corner));
    const lines = [...(title ? [["title", title]] : []), ["value", unknownValue(node)], ...(graded.has(node.id) ? [["grad", ""]] : [])];
    lines.forEach(([kind, text], row) => {
      const line = shape("text", { class: kind, x: left + width / 2, y: top + 3 + 17 * (row + 1) }, text);
      if (kind === "grad") line.append("grad ", shape("tspan", { class: "number" }));
      group.append(line);
    });
    picture.append(group);
  });
  canvas.append(picture);
  return picture;
}

// The first line of a box; a number has none. (Titles that are cut, and those of folded nodes, come with the geometry.)
function titleOf(node) {
  if (node.number) return "";
  const name = node.name || node.symbol;
  return node.operation ? `${name} = ${node.operation}` : name;
}

// What stands in a box whose value nobody kept.
function unknownValue(node) {
  return node.shape && node.shape.length ? shapeText(node.shape) : "?";
}

// The parts of each box that change.
const boxes = new Map([...nodes.keys()].map((id) => {
  const group = byId(id);
  return [id, { group, grad: group.querySelector(".grad .number"), value: group.querySelector(".value") }];
}));

function showPicture() {
  const step = steps[state.at];
  const { gradients, values, done } = known(state.at);
  const hidden = hides(step);
  for (const [id, { group, grad, value }] of boxes) {
    const node = nodes.get(id);
    const active = id === step.node;
    const later = computed.has(id) && !done.has(id);
    const marks = { active, of: id === step.of, later, graded: gradients.has(id) };
    for (const [mark, on] of Object.entries(marks)) group.classList.toggle(mark, on);
    if (grad) {
      let place = gradients.get(id);
      if (active && hidden) place = step.old;
      write(grad, place === undefined ? "–" : brief(place));
    }
    const place = values.has(id) ? values.get(id) : node.value;
    if (value && later) write(value, "…");
    else if (value && place !== undefined && place !== null) write(value, brief(place));
    set(group, "aria-current", active ? "step" : "false");
    set(group, "tabindex", active ? "0" : "-1");
  }
  for (const [id, edge] of edges) {
    const group = byId(id);
    group.classList.toggle("active", id === step.edge);
    group.classList.toggle("feeding", step.phase === "forward" && edge.to === step.node);
  }
  bringIntoView(byId(step.node));
}

// Touching only what changes keeps stepping quick in large graphs.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

// What screen readers say of the boxes, in the language of the moment.
function labelPicture() {
  for (const [id, node] of nodes) {
    const kind = say("kind_" + node.kind, { operation: node.operation, count: node.count });
    byId(id).setAttribute("aria-label", say("node_label", { node: nodeName(id), kind }));
  }
  graph.setAttribute("aria-label", say("graph"));
}

// How large all of it may be drawn.
function whole() {
  return Math.min((canvas.clientWidth - 4) / natural[0], (canvas.clientHeight - 4) / natural[1], 1.25);
}

function fitted() {
  const readable = natural[0] > 2000 ? 0.75 : 0.6; // smaller, the texts can't be read: rather scroll
  return Math.max(whole(), readable);
}

function resize() {
  const factor = zoom || fitted();
  graph.setAttribute("width", Math.round(natural[0] * factor));
  graph.setAttribute("height", Math.round(natural[1] * factor));
}

// Scroll so that the active node can be seen, without moving the page itself.
function bringIntoView(group) {
  if (!group) return;
  const [box, frame] = [group.getBoundingClientRect(), canvas.getBoundingClientRect()];
  const margin = 40;
  const off = (low, high, from, to) => (low < from + margin ? low - from - margin : high > to - margin ? high - to + margin : 0);
  const left = off(box.left, box.right, frame.left, frame.right);
  const top = off(box.top, box.bottom, frame.top, frame.bottom);
  const far = Math.abs(left) > frame.width || Math.abs(top) > frame.height;
  if (left || top) canvas.scrollBy({ left, top, behavior: far || quietMotion() ? "auto" : "smooth" });
}

function quietMotion() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function magnify(factor) {
  zoom = factor === null ? whole() : Math.min(3, Math.max(0.1, (zoom || fitted()) * factor));
  resize();
  bringIntoView(byId(steps[state.at].node));
}

// The next step (or with Shift the previous one) that is about a node; round again from the other end.
function jumpTo(id, backwards) {
  const about = steps.map((step, i) => (step.node === id || step.of === id ? i : -1)).filter((i) => i >= 0);
  if (!about.length) return;
  const later = about.filter((i) => (backwards ? i < state.at : i > state.at));
  if (backwards) go(later.length ? later[later.length - 1] : about[about.length - 1]);
  else go(later.length ? later[0] : about[0]);
}

for (const id of nodes.keys()) {
  const group = byId(id);
  group.addEventListener("click", (event) => jumpTo(id, event.shiftKey));
  group.addEventListener("keydown", (event) => {
    if (event.key === "Enter") jumpTo(id, event.shiftKey);
  });
}
