"use strict";
// Everything works without this script: it adds live counts, keys, and the browser's own small comforts.
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const typing = (event) => /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";

  // How many are new since the page was made; asked only while somebody looks.
  const LIVE_MS = 20000;
  const poll = async (link) => {
    if (document.hidden) return;
    try {
      const answer = await fetch(link.dataset.live, { headers: { accept: "application/json" } });
      if (!answer.ok || answer.redirected) return;
      const found = await answer.json();
      link.hidden = !found.count;
      link.textContent = found.text;
      const plain = document.title.replace(/^\(\d+\) /, "");
      document.title = found.count ? `(${found.count}) ${plain}` : plain;
    } catch (error) {
      // The line is down: the next turn tries again, and the page stays as it is.
      link.dataset.missed = String(error);
    }
  };
  all("[data-live]").forEach((link) => setInterval(() => poll(link), LIVE_MS));

  // Rows are walked with j and k.
  let at = -1;
  const rows = () => all("[data-rows] > tr");
  const walk = (step) => {
    const found = rows();
    if (!found.length) return;
    found.forEach((row) => row.removeAttribute("aria-selected"));
    at = Math.min(Math.max(at + step, 0), found.length - 1);
    found[at].setAttribute("aria-selected", "true");
    found[at].scrollIntoView({ block: "nearest" });
    const link = found[at].querySelector("a[href]");
    if (link) link.focus({ preventScroll: true });
  };
  const box = () => at >= 0 && rows()[at].querySelector("input[type=checkbox]");
  const tickOne = () => {
    if (!all("[data-rows] input:checked").length && box()) box().checked = true;
    count();
  };
  const count = () => {
    const ticked = all("[data-rows] input:checked").length;
    all(".bulk legend").forEach((legend) => {
      legend.dataset.plain = legend.dataset.plain || legend.textContent;
      legend.textContent = ticked ? `${legend.dataset.plain} (${ticked})` : legend.dataset.plain;
    });
  };
  document.addEventListener("change", (event) => { if (event.target.type === "checkbox") count(); });

  const keys = {
    j: () => walk(1),
    k: () => walk(-1),
    x: () => { const one = box(); if (one) { one.checked = !one.checked; count(); } },
    "?": () => { const help = document.getElementById("keys"); if (help && help.showModal) help.showModal(); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event) || document.querySelector("dialog[open]")) return;
    const field = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (keys[event.key]) keys[event.key]();
    else if (field && field.matches("button")) { tickOne(); field.click(); }
    else if (field) { openUp(field); field.focus(); if (field.select) field.select(); }
    else {
      const button = document.querySelector(`[data-focus="${CSS.escape(event.key)}"]`);
      if (!button) return;
      tickOne();
      openUp(button);
      const first = (button.closest("[data-enter]") || button.closest("form")).querySelector("select[name=disposition], textarea, input:not([type=hidden])");
      if (first) first.focus();
    }
    event.preventDefault();
  });
  // Enter in a field presses the button beside it, not the form's first.
  document.addEventListener("keydown", (event) => {
    const near = event.key === "Enter" && event.target.matches("input:not([type=checkbox]), select") && event.target.closest("[data-enter]");
    if (near) { event.preventDefault(); near.querySelector("button").click(); }
  });

  // An address names only what was asked for.
  all("form[method=get]").forEach((form) => form.addEventListener("submit", () => {
    const silent = all("input, select", form).filter((field) => field.name && !field.value);
    silent.forEach((field) => { field.disabled = true; });
    setTimeout(() => silent.forEach((field) => { field.disabled = false; }), 1000);
  }));
  const openUp = (node) => { const fold = node.closest("details"); if (fold) fold.open = true; };

  // A click on the words "3 h" shows the time behind it where there is no mouse to hover with.
  document.addEventListener("click", (event) => {
    const time = event.target.closest && event.target.closest("time[title]");
    if (time && !time.closest("a")) { const shown = time.textContent; time.textContent = time.title; time.title = shown; }
  });
})();
