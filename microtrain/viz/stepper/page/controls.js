// Buttons, keys, the address, languages and themes; then everything is shown for the first time.

let playing = null;
let speed = 3;

function go(k, keepPicks = false) {
  const to = Math.max(0, Math.min(steps.length - 1, k));
  if (to !== state.at && !keepPicks) Object.assign(state, { out: null, into: null, expanded: new Set() });
  state.at = to;
  show();
  const hash = "#step=" + (to + 1);
  if (location.hash !== hash) {
    try {
      history.replaceState(null, "", hash);
    } catch (error) {
      // a frame made of srcdoc has no address of its own
    }
  }
}

function show() {
  const n = steps.length;
  showCard();
  showPicture();
  const text = say("position", { k: state.at + 1, n });
  byId("position").textContent = text;
  const slider = byId("slider");
  slider.max = n;
  slider.value = state.at + 1;
  slider.setAttribute("aria-valuetext", text);
  for (const id of ["first", "previous"]) byId(id).disabled = state.at === 0;
  for (const id of ["next", "last"]) byId(id).disabled = state.at === n - 1;
  showScore();
}

function showScore() {
  const element = byId("score");
  const { right, asked } = score();
  element.hidden = !state.guessing;
  element.textContent = say("score", { right, asked });
}

function play(on) {
  if (playing) clearInterval(playing);
  playing = null;
  if (on) {
    if (state.at === steps.length - 1) go(0);
    playing = setInterval(() => {
      if (state.at >= steps.length - 1 || hides(steps[state.at])) play(false);
      else go(state.at + 1);
    }, 3000 / speed);
  }
  document.body.classList.toggle("playing", on);
  label("play", say(on ? "pause" : "play"));
}

function setSpeed(value) {
  speed = value;
  byId("speed").value = String(value);
  if (playing) play(true);
}

// The first step of the next stretch of one phase, or of the one before.
function phase(direction) {
  let k = state.at;
  const now = phaseOf(steps[k]);
  if (direction > 0) {
    while (k < steps.length - 1 && phaseOf(steps[k]) === now) k++;
    return go(k);
  }
  if (k > 0 && phaseOf(steps[k - 1]) !== now) k--;
  const target = phaseOf(steps[k]);
  while (k > 0 && phaseOf(steps[k - 1]) === target) k--;
  return go(k);
}

function guessMode(on) {
  state.guessing = on;
  byId("guess").setAttribute("aria-pressed", on);
  if (on) play(false);
  show();
}

function label(id, text, visible = false) {
  const element = byId(id);
  element.title = text;
  element.setAttribute("aria-label", text);
  if (visible) element.textContent = text;
}

function setLanguage(number) {
  state.language = number;
  document.documentElement.lang = number ? "zh-Hans" : "en";
  const title = trace.title + " – " + say("stepper");
  document.title = title;
  document.querySelector("h1").textContent = title;
  for (const id of ["first", "previous", "next", "last", "slider", "zoom_in", "zoom_out"]) label(id, say(id));
  for (const id of ["guess", "language", "help", "fit"]) label(id, say(id), true);
  byId("language").setAttribute("lang", number ? "en" : "zh-Hans");
  byId("speed_label").firstElementChild.textContent = say("speed");
  byId("picture").setAttribute("aria-label", say("graph"));
  byId("card").setAttribute("aria-label", say("card"));
  labelPicture();
  const signs = [["", "sign_active"], ["of", "sign_of"], ["flow", "sign_flow"]];
  byId("signs").replaceChildren(...signs.map(([kind, word]) => make("span", {}, make("i", { class: kind }), say(word))));
  const notes = byId("notes");
  notes.hidden = !trace.notes.length;
  notes.textContent = trace.notes.map((note) => say("note_" + note.kind, note)).join(" ");
  setTheme(state.theme);
  label("play", say(playing ? "pause" : "play"));
  fillHelp();
  show();
}

function setTheme(theme) {
  state.theme = theme;
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  label("theme", say("theme", { name: say("theme_" + theme) }), true);
}

function nextTheme() {
  const themes = ["auto", "light", "dark"];
  setTheme(themes[(themes.indexOf(state.theme) + 1) % 3]);
}

function fillHelp() {
  const keys = [
    ["←  →", "key_step"], ["↑  ↓", "key_phase"], ["Home  End", "key_ends"], ["Space", "key_play"], ["1 – 9", "key_speed"],
    ["g", "key_guess"], ["l", "key_language"], ["t", "key_theme"], ["?", "key_help"],
  ];
  const signs = ["legend_active", "legend_of", "legend_edge", "legend_later", "legend_during"];
  byId("helping").replaceChildren(
    make("h2", {}, say("keys")),
    make("table", { class: "keys" }, keys.map(([key, word]) => make("tr", {}, make("th", {}, make("kbd", {}, key)), make("td", {}, say(word))))),
    make("p", {}, say("key_click")),
    make("h2", {}, say("legend")),
    make("ul", {}, signs.map((sign) => make("li", {}, say(sign)))),
    make("button", { id: "close", click: () => help(false) }, say("close")),
  );
}

function help(on) {
  const dialog = byId("helping");
  if (on === dialog.open) return;
  if (on) dialog.showModal();
  else dialog.close();
}

byId("helping").addEventListener("close", () => byId("help").setAttribute("aria-expanded", "false"));

const actions = {
  first: () => go(0), previous: () => go(state.at - 1), next: () => go(state.at + 1), last: () => go(steps.length - 1),
  play: () => play(!playing), guess: () => guessMode(!state.guessing), language: () => setLanguage(1 - state.language),
  theme: nextTheme, zoom_in: () => magnify(1.25), zoom_out: () => magnify(0.8), fit: () => magnify(null),
  help: () => { byId("help").setAttribute("aria-expanded", "true"); help(true); },
};
for (const [id, action] of Object.entries(actions)) {
  byId(id).addEventListener("click", () => {
    if (["first", "previous", "next", "last"].includes(id)) play(false);
    action();
  });
}
byId("slider").addEventListener("input", () => { play(false); go(Number(byId("slider").value) - 1); });
for (let n = 1; n <= 9; n++) byId("speed").append(make("option", { value: n }, String(n)));
byId("speed").addEventListener("change", () => setSpeed(Number(byId("speed").value)));

const keys = {
  ArrowLeft: actions.previous, ArrowRight: actions.next, ArrowUp: () => phase(-1), ArrowDown: () => phase(1),
  Home: actions.first, End: actions.last, " ": actions.play, g: actions.guess, l: actions.language, t: actions.theme,
  "?": actions.help,
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || byId("helping").open) return;
  const typing = event.target.closest && event.target.closest("#answer, select");
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const digit = /^[1-9]$/.test(event.key);
  const button = event.target.closest && event.target.closest("button, td[data-entry]");
  if (moveInTable(event)) {
    event.preventDefault();
  } else if (digit) {
    setSpeed(Number(event.key));
  } else if (event.key in keys && !(event.key === " " && button)) {
    event.preventDefault();
    if (event.key !== " " && event.key.length > 1) play(false);
    keys[event.key]();
  }
});

function readAddress() {
  const match = /[#&]step=(\d+)/.exec(location.hash);
  if (match) go(Number(match[1]) - 1);
}
window.addEventListener("hashchange", readAddress);
window.addEventListener("resize", resize);

// What happens, as a line of Python.
function lineOf(step) {
  return step.code || (step.value_text ? `${symbolOf(step.node)} = ${step.value_text}` : "");
}

// On paper: the graph and every step in words.
window.addEventListener("beforeprint", () => {
  const list = steps.map((step) => make("li", {}, make("b", {}, phaseText(step)), " ", narration(step), " ", make("code", {}, lineOf(step))));
  byId("all").replaceChildren(make("h2", {}, say("all_steps")), make("ol", {}, list));
});
window.addEventListener("afterprint", () => byId("all").replaceChildren());

setSpeed(speed);
resize();
setLanguage(state.language);
readAddress();
