// A click on a card's button, which is the whole card where a word can be chosen, selects the card's word.
let clicked = null;
let scrolled = 0;

element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-word]");
  if (!button) return;
  clicked = button.dataset.word;
  scrolled = button.closest(".word-cards").scrollTop;
  trigger("select", { word: clicked });
});

// Drawn anew by the server, the cards have lost the focus of the keyboard and how far they were scrolled.
watch("value", () => {
  const button = clicked && element.querySelector(`button[data-word="${CSS.escape(clicked)}"]`);
  clicked = null;
  if (!button || document.activeElement !== document.body) return;
  button.closest(".word-cards").scrollTop = scrolled;
  button.focus({ preventScroll: true });
});
