// Before anything is painted: the theme that was chosen here, else that of the system.
"use strict";
const THEMES = ["auto", "light", "dark"];

function chosenTheme() {
  try {
    const stored = localStorage.getItem("recbole_idp theme");
    return THEMES.includes(stored) ? stored : "auto";
  } catch {
    return "auto";
  }
}

function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

showTheme(chosenTheme());
