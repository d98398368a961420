// What the browser does by itself: the language (one of LANGUAGES, which the server writes before this), the
// address of the open tab, and the drawer.
window.oneWord = {
  // --- language ---------------------------------------------------------------------------------------

  // The language of the page: from its address (?lang=ja), else the first of the browser's that it speaks; the
  // server chooses in the same way.
  language() {
    const asked = new URLSearchParams(location.search).get("lang");
    const primary = (name) => name.toLowerCase().split("-")[0];
    for (const wish of [asked, ...navigator.languages].filter(Boolean)) {
      const same = LANGUAGES.find((name) => name.toLowerCase() === wish.toLowerCase());
      const similar = LANGUAGES.find((name) => primary(name) === primary(wish));
      if (same ?? similar) return same ?? similar;
    }
    return LANGUAGES[0];
  },

  // Gradio translates to the browser's language once, as it starts: it finds the one asked for there.
  applyLanguage() {
    const language = this.language();
    document.documentElement.lang = language;
    Object.defineProperty(navigator, "language", { value: language });
  },

  // Gradio calls every message by its kind, in English, whatever title it was given.
  nameMessages() {
    new MutationObserver(() => {
      for (const title of document.querySelectorAll(".toast-title")) {
        const kind = ["error", "warning", "info"].find((name) => title.classList.contains(name));
        title.firstChild.data = gradio_config.i18n_translations[this.language()][`frame_${kind}`];
      }
    }).observe(document.documentElement, { childList: true, subtree: true });
  },

  // The server reads the language from the address, so the page is loaded again with it.
  switchLanguage(language) {
    const address = new URL(location.href);
    address.searchParams.set("lang", language);
    location.assign(address);
  },

  // --- tabs -------------------------------------------------------------------------------------------

  // While the page opens, Gradio chooses its first tab before the one that the address names.
  opened: false,

  rememberTab(name) {
    if (!this.opened) return;
    const address = new URL(location.href);
    address.searchParams.set("tab", name);
    history.replaceState(history.state, "", address);
  },

  // --- what was written, over a reload of the page: kept as long as the browser's tab -----------------------

  keep(name, values) {
    if (this.opened) sessionStorage.setItem(name, JSON.stringify(values));
    return [];
  },

  kept(name, values) {
    const kept = JSON.parse(sessionStorage.getItem(name));
    return kept?.length === values.length ? kept : values;
  },

  // --- the drawing controls -------------------------------------------------------------------------------

  // That of the open tab: the others' are not in sight.
  focusSeed() {
    [...document.querySelectorAll(".seed input")].find((input) => input.offsetParent)?.focus();
  },

  // --- what is published: another word is in sight, for which nothing is filled in or ticked yet ----------

  // By the browser itself: an answer of the server could come after the panel was opened again.
  foldPanel(id) {
    document.querySelector(`#${id} button.label-wrap.open`)?.click();
    return ["", "", false, false, ""];
  },

  // --- the drawer, whose own button the header's presses --------------------------------------------------

  wordsAreOpen() {
    return document.querySelector("#words").classList.contains("open");
  },

  toggleWords() {
    document.querySelector("#words > .toggle-button").click();
  },

  // Where the drawer covers the page, it makes way for what was asked for.
  leaveWords() {
    if (this.wordsAreOpen() && matchMedia("(max-width: 768px)").matches) this.toggleWords();
  },

  showDetails() {
    document.querySelector("#words-chosen")?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  },

  // A closed drawer takes no focus; an open one begins at its search, and Escape closes it.
  async watchWords() {
    const drawer = await this.appeared("#words");
    const button = await this.appeared("#words-button");
    drawer.querySelector(".toggle-button").setAttribute("aria-label", button.textContent.trim());
    const follow = () => {
      const open = this.wordsAreOpen();
      drawer.querySelector(".sidebar-content").inert = !open;
      window.dispatchEvent(new Event("resize")); // Gradio measures only then how far the page must move
      button.setAttribute("aria-expanded", open);
    };
    new MutationObserver(follow).observe(drawer, { attributeFilter: ["class"] });
    follow();
    button.setAttribute("aria-controls", "words");
    button.addEventListener("click", () => setTimeout(() => {
      if (this.wordsAreOpen()) document.querySelector("#words-search textarea, #words-search input")?.focus();
    }, 300));
    // Before Gradio's own: an Escape that ends the writing of a word or closes a list is not for the drawer.
    document.addEventListener("keydown", (event) => {
      const focused = document.activeElement;
      if (event.key !== "Escape" || event.isComposing || !drawer.contains(focused)) return;
      if (focused.getAttribute("aria-expanded") === "true") return;
      this.toggleWords();
      button.focus();
    }, { capture: true });
  },

  // --- waiting ------------------------------------------------------------------------------------------

  // The element that a selector finds, once Gradio has placed it.
  appeared(selector) {
    return new Promise((resolve) => {
      const look = () => {
        const element = document.querySelector(selector);
        if (element) {
          observer.disconnect();
          resolve(element);
        }
      };
      const observer = new MutationObserver(look);
      observer.observe(document.documentElement, { childList: true, subtree: true });
      look();
    });
  },
};
window.oneWord.applyLanguage();
window.oneWord.nameMessages();
window.oneWord.watchWords();
