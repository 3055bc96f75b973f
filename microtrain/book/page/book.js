"use strict";
const sections = [...document.querySelectorAll("section")];
const fields = ["chapter", "kind", "verdict"].map((name) => [name, document.getElementById(name)]);
const search = document.getElementById("search");
const count = document.getElementById("count");
const language = document.getElementById("language");
const body = document.body.classList;

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
  body.toggle("zh", chinese);
  body.toggle("en", !chinese);
  document.documentElement.lang = chinese ? "zh-Hans" : "en";
  language.textContent = chinese ? "English" : "中文";
  for (const option of document.querySelectorAll("option")) option.textContent = chinese ? option.dataset.zh : option.dataset.en;
}

function show(wrong) {  // either what is wrong in the book, or all items
  body.toggle("wrong", wrong);
  body.toggle("items", !wrong);
  if (!wrong) return;
  for (const article of document.querySelectorAll("article:not(:has(figure))")) {  // the pictures are on the page once
    const figure = document.querySelector(`#${article.dataset.id} figure`);
    if (figure) article.lastElementChild.before(figure.cloneNode(true));
  }
}

function reveal() {  // a link leads to its item, whatever the filters hide
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  show(target !== null && target.id === "wrong");
  if (!target) return;
  if (target.hidden) {
    search.value = "";
    for (const [, field] of fields) field.value = "";
    filter();
  }
  target.scrollIntoView();
}

function clicked(event) {
  const button = event.target.closest("button");
  if (button && button.parentElement.matches(".moving")) button.parentElement.classList.toggle("still");
  if (!button || !("verdict" in button.dataset)) return;
  search.value = "";
  for (const [name, field] of fields) field.value = button.dataset[name] ?? "";
  filter();
  show(false);
  document.querySelector("nav").scrollIntoView();
}

search.addEventListener("input", filter);
window.addEventListener("hashchange", reveal);
window.addEventListener("beforeprint", () => { for (const folded of document.querySelectorAll("main details")) folded.open = true; });
document.addEventListener("click", clicked);
for (const [, field] of fields) field.addEventListener("change", filter);
language.addEventListener("click", () => speak(body.contains("en")));
if (matchMedia("(prefers-reduced-motion: reduce)").matches) for (const figure of document.querySelectorAll(".moving")) figure.classList.add("still");
speak(navigator.language.startsWith("zh"));
filter();
reveal();
