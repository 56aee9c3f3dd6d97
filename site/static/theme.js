"use strict";
// Light, dark or as the system has it; loaded before anything is drawn, so that no page flashes.
(function () {
  var root = document.documentElement;
  root.classList.add("js");
  var names = { "": "system", light: "light", dark: "dark" };

  function stored() {
    try { return localStorage.getItem("theme") || ""; } catch (error) { return ""; }
  }

  function set(theme) {
    if (theme) root.setAttribute("data-theme", theme);
    else root.removeAttribute("data-theme");
  }

  set(stored());
  document.addEventListener("DOMContentLoaded", function () {
    var button = document.querySelector("button.theme");
    var theme = stored();
    function say() {
      button.textContent = "Theme: " + names[theme];
    }
    say();
    button.addEventListener("click", function () {
      theme = { "": "light", light: "dark", dark: "" }[theme];
      try { localStorage.setItem("theme", theme); } catch (error) { /* this page alone follows */ }
      set(theme);
      say();
    });
  });
})();
