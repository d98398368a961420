// A click on a card's button selects the card's word. On a card to choose from, the button is the whole card.
let clicked = null;
let scrolled = 0;

element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-word]");
  if (!button) return;
  clicked = button.dataset.word;
  scrolled = button.closest(".word-cards").scrollTop;
  trigger("select", { word: clicked });
});

// When the server renders the cards anew, they lose the keyboard focus and the scroll position: restore both.
watch("value", () => {
  const button = clicked && element.querySelector(`button[data-word="${CSS.escape(clicked)}"]`);
  clicked = null;
  if (!button || document.activeElement !== document.body) return;
  button.closest(".word-cards").scrollTop = scrolled;
  button.focus({ preventScroll: true });
});
