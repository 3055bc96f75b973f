"use strict";
const sections = [...document.querySelectorAll("section")];
const fields = ["chapter", "kind", "verdict"].map((name) => [name, document.getElementById(name)]);
const search = document.getElementById("search");
const count = document.getElementById("count");
const language = document.getElementById("language");

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const section of sections) {
    const fits = fields.every(([name, field]) => !field.value || section.dataset[name] === field.value)
      && words.every((word) => section.dataset.words.includes(word));
    section.hidden = !fits;
    shown += fits;
  }
  count.textContent = `${shown} / ${sections.length}`;
}

function speak(chinese) {
  document.body.className = chinese ? "zh" : "en";
  document.documentElement.lang = chinese ? "zh-Hans" : "en";
  language.textContent = chinese ? "English" : "中文";
  for (const option of document.querySelectorAll("option")) option.textContent = chinese ? option.dataset.zh : option.dataset.en;
}

function reveal() {  // a link leads to its item, whatever the filters hide
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target || !target.hidden) return;
  search.value = "";
  for (const [, field] of fields) field.value = "";
  filter();
  target.scrollIntoView();
}

search.addEventListener("input", filter);
window.addEventListener("hashchange", reveal);
window.addEventListener("beforeprint", () => { for (const folded of document.querySelectorAll("main details")) folded.open = true; });
for (const [, field] of fields) field.addEventListener("change", filter);
language.addEventListener("click", () => speak(document.body.className === "en"));
speak(navigator.language.startsWith("zh"));
filter();
