// The buttons below a prompt: they insert a token at the cursor (data-token), write the whole prompt
// (data-prompt), or replace an unknown token (data-replace, data-with). Typing "<" and the beginning of a
// token leaves only the matching buttons, and Tab takes the first.
const prompt = () => document.querySelector(`#${element.querySelector("[data-for]")?.dataset.for} textarea`);

function write(text, start, end) {
  const box = prompt();
  box.focus();
  box.setRangeText(text, start, end, "end");
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

function begun() {
  const box = prompt();
  return box.value.slice(0, box.selectionStart).match(/<[a-z0-9-]*$/)?.[0] ?? "";
}

function insert(token) {
  const box = prompt();
  const start = box.selectionStart - begun().length;
  const touches = /[\w>,.;:!?]$/.test(box.value.slice(0, start));
  write((touches ? " " : "") + token, start, box.selectionEnd);
}

function narrow() {
  const start = begun();
  for (const button of element.querySelectorAll("[data-token]")) {
    button.hidden = !button.dataset.token.startsWith(start);
  }
  const hint = element.querySelector(".hint");
  if (hint) hint.hidden = !start || !element.querySelector("[data-token]:not([hidden])");
}

element.addEventListener("click", (event) => {
  const { token, prompt: whole, replace, with: other } = event.target.closest("button")?.dataset ?? {};
  const box = prompt();
  if (token !== undefined) insert(token);
  if (whole !== undefined) write(whole, 0, box.value.length);
  if (replace !== undefined) write(box.value.replaceAll(replace, other).trim(), 0, box.value.length);
});

for (const name of ["input", "keyup", "click"]) {
  document.addEventListener(name, (event) => {
    if (event.target === prompt()) narrow();
  });
}

document.addEventListener("keydown", (event) => {
  if (event.target !== prompt() || event.key !== "Tab" || event.shiftKey || !begun()) return;
  const first = element.querySelector("[data-token]:not([hidden])");
  if (!first) return;
  event.preventDefault();
  insert(first.dataset.token);
  narrow();
});
