// What is asked before something is done, and what is said when it was.

import { token } from "./api.js";
import { announce, h } from "./dom.js";

/** True when somebody said yes. The answer that changes nothing is the one that Enter gives. */
export function confirm(title, text, yes) {
  return new Promise((resolve) => {
    const close = (answer) => () => dialog.close(answer);
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" },
      h("h2", { id: "dialog-title" }, title),
      h("p", {}, text),
      h("div", { class: "actions" },
        h("button", { type: "button", autofocus: true, onclick: close("") }, "No, go back"),
        h("button", { type: "button", class: "danger", onclick: close("yes") }, yes)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

let asking = false;

/** Asks for an operator's token; `then` when one was given. */
export function askToken(why, then) {
  if (asking) return;
  asking = true;
  const input = h("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", required: true });
  const submit = (event) => {
    event.preventDefault();
    token.keep(input.value.trim());
    dialog.close("yes");
  };
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" },
    h("form", { onsubmit: submit },
      h("h2", { id: "dialog-title" }, "An operator's token, please"),
      h("p", {}, why),
      h("label", { for: "token" }, "Token"), input,
      h("p", { class: "note" }, "It is kept until this tab is closed, and sent to this coordinator alone."),
      h("div", { class: "actions" }, h("button", { type: "submit", class: "main" }, "Use it"))));
  dialog.addEventListener("close", () => {
    dialog.remove();
    asking = false;
    if (dialog.returnValue === "yes") then();
  });
  document.body.append(dialog);
  dialog.showModal();
}

/** Says what came of something, and goes by itself; errors stay until they are closed. */
export function toast(text, bad = false) {
  const note = h("div", { class: bad ? "toast bad" : "toast", role: bad ? "alert" : "status" }, text,
    h("button", { type: "button", class: "plain", "aria-label": "Close", onclick: () => note.remove() }, "×"));
  document.body.append(note);
  announce(text);
  if (!bad) setTimeout(() => note.remove(), 6000);
}
