// Values as numbers and heat maps. The colour follows the number, which stands in the cell too.

const SIDE = 6; // rows and columns that a table shows before it is expanded

// options: pick (the entry that is picked), onpick(entry), marked (a set of entries), key (for expanding)
function table(place, options = {}) {
  const value = row(place);
  if (!value) return make("span", { class: "faint" }, say("not_kept"));
  if (!value.shape.length) return numberElement(value.data[0]);
  if (!count(value.shape)) return make("span", { class: "faint" }, say("empty") + " " + shapeText(value.shape));
  const window = value.window || value.shape;
  const rank = window.length;
  const rows = rank > 1 ? window[rank - 2] : 1;
  const columns = window[rank - 1];
  const open = state.expanded.has(options.key);
  const shownRows = open ? rows : Math.min(rows, SIDE);
  const shownColumns = open ? columns : Math.min(columns, rank > 1 ? SIDE : 2 * SIDE);
  const slices = count(window) / (rows * columns);
  const largest = Math.max(...value.data.map((x) => Math.abs(plain(x))).filter(Number.isFinite), 0);
  const box = make("div", { class: "tables" });
  const shownSlices = open ? slices : Math.min(slices, 3);
  for (let s = 0; s < shownSlices; s++) {
    const element = make("table", { class: "heat" });
    if (slices > 1) {
      const leading = indices(s, window.slice(0, -2));
      element.append(make("caption", {}, "[" + [...leading, ":", ":"].join(", ") + "]"));
    }
    for (let r = 0; r < shownRows; r++) {
      const line = make("tr");
      for (let c = 0; c < shownColumns; c++) {
        const place = (s * rows + r) * columns + c;
        line.append(cell(value, window, place, largest, options));
      }
      element.append(line);
    }
    box.append(element);
  }
  if (!open && (shownRows < rows || shownColumns < columns || shownSlices < slices)) {
    box.append(toggle(options.key, "expand"));
  } else if (open) {
    box.append(toggle(options.key, "collapse"));
  }
  if (value.window) box.append(make("p", { class: "faint small" }, summary(value)));
  return box;
}

function toggle(key, word) {
  const flip = () => {
    if (!state.expanded.delete(key)) state.expanded.add(key);
    show();
  };
  return make("button", { class: "quiet small", type: "button", click: flip }, say(word));
}

function cell(value, window, place, largest, options) {
  const entry = fullEntry(place, window, value.shape);
  const x = value.data[place];
  const td = make("td", { title: entryText(entry, value.shape) + " = " + exact(x) }, short(x, 3));
  const size = Math.abs(plain(x));
  const strength = !largest || Number.isNaN(size) ? 0 : Math.min(size / largest, 1);
  td.style.setProperty("--heat", Math.round(strength * 100) + "%");
  td.classList.add(plain(x) < 0 ? "below" : "above");
  if (!Number.isFinite(plain(x))) td.classList.add("odd");
  if (options.marked && options.marked.has(entry)) td.classList.add("marked");
  if (options.onpick) {
    const picked = options.pick === entry;
    td.setAttribute("role", "button");
    td.setAttribute("tabindex", picked ? "0" : "-1");
    td.setAttribute("aria-pressed", picked);
    td.dataset.entry = entry;
    if (picked) td.classList.add("picked");
    td.addEventListener("click", () => options.onpick(entry));
  }
  return td;
}

// The entry's place in the whole array, of its place among those that the trace has.
function fullEntry(place, window, shape) {
  const where = indices(place, window);
  return where.reduce((sum, index, axis) => sum * shape[axis] + index, 0);
}

function summary(value) {
  const holes = { window: value.window.join(" × "), shape: value.shape.join(" × ") };
  for (const name of ["mean", "min", "max", "norm"]) holes[name] = short(value[name]);
  return say("corner", holes);
}

function numberElement(x) {
  return make("span", { class: "number", title: exact(x) }, short(x, DIGITS));
}

// Arrow keys inside of a table move the pick.
function moveInTable(event) {
  const td = event.target.closest && event.target.closest("td[data-entry]");
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (!td) return false;
  if (event.key === "Enter" || event.key === " ") {
    td.click();
  } else if (event.key in moves) {
    const [down, right] = moves[event.key];
    const line = td.parentElement;
    const to = down ? line.parentElement.rows[line.rowIndex + down] : line;
    const next = to && to.cells[td.cellIndex + right];
    if (next) next.click();
  } else {
    return false;
  }
  return true;
}
