// The page's behaviour in the browser: the language (one of LANGUAGES, which the server writes before this
// script), the address of the open tab, and the drawer.
window.oneWord = {
  // --- language ---------------------------------------------------------------------------------------

  // The page's language: from its address (?lang=ja), else the first of the browser's languages that the page
  // supports. The server chooses in the same way.
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

  // Gradio reads the browser's language once, when it starts, so the chosen language is put there.
  applyLanguage() {
    const language = this.language();
    document.documentElement.lang = language;
    Object.defineProperty(navigator, "language", { value: language });
  },

  // Gradio titles every message with its kind in English, whatever title it was given.
  nameMessages() {
    new MutationObserver(() => {
      for (const title of document.querySelectorAll(".toast-title")) {
        const kind = ["error", "warning", "info"].find((name) => title.classList.contains(name));
        title.firstChild.data = gradio_config.i18n_translations[this.language()][`frame_${kind}`];
      }
    }).observe(document.documentElement, { childList: true, subtree: true });
  },

  // The server reads the language from the address, so the page is reloaded with it.
  switchLanguage(language) {
    const address = new URL(location.href);
    address.searchParams.set("lang", language);
    location.assign(address);
  },

  // --- tabs -------------------------------------------------------------------------------------------

  // While the page opens, Gradio selects its first tab before the one that the address names.
  opened: false,

  rememberTab(name) {
    if (!this.opened) return;
    const address = new URL(location.href);
    address.searchParams.set("tab", name);
    history.replaceState(history.state, "", address);
  },

  // --- the fields' values: they survive a reload of the page, as long as the browser's tab is open ----------

  keep(name, values) {
    if (this.opened) sessionStorage.setItem(name, JSON.stringify(values));
    return [];
  },

  kept(name, values) {
    const kept = JSON.parse(sessionStorage.getItem(name));
    return kept?.length === values.length ? kept : values;
  },

  // --- the drawing controls -------------------------------------------------------------------------------

  // The visible element belongs to the open tab; those of the other tabs are hidden.
  focusSeed() {
    [...document.querySelectorAll(".seed input")].find((input) => input.offsetParent)?.focus();
  },

  // --- the publishing panel: cleared and closed when the page shows another word --------------------------

  // Done in the browser: the server's answer could arrive after the panel was opened again.
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

  // If the drawer covers the page, it closes to reveal the requested content.
  leaveWords() {
    if (this.wordsAreOpen() && matchMedia("(max-width: 768px)").matches) this.toggleWords();
  },

  showDetails() {
    document.querySelector("#words-chosen")?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  },

  // A closed drawer takes no focus. Opening it focuses its search, and Escape closes it.
  async watchWords() {
    const drawer = await this.appeared("#words");
    const button = await this.appeared("#words-button");
    drawer.querySelector(".toggle-button").setAttribute("aria-label", button.textContent.trim());
    const follow = () => {
      const open = this.wordsAreOpen();
      drawer.querySelector(".sidebar-content").inert = !open;
      window.dispatchEvent(new Event("resize")); // only this makes Gradio measure how far to shift the page
      button.setAttribute("aria-expanded", open);
    };
    new MutationObserver(follow).observe(drawer, { attributeFilter: ["class"] });
    follow();
    button.setAttribute("aria-controls", "words");
    button.addEventListener("click", () => setTimeout(() => {
      if (this.wordsAreOpen()) document.querySelector("#words-search textarea, #words-search input")?.focus();
    }, 300));
    // Runs before Gradio's own handler: an Escape that ends text input or closes a list must not close the
    // drawer.
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
