// before anything is drawn, so that nothing moves when the page is complete
document.body.className = navigator.language.startsWith("zh") ? "zh" : "en";
document.body.classList.add(location.hash === "#wrong" ? "wrong" : "items");
