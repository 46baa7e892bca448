// Families of methods: a row of switches that narrows the tables and the charts together, where there are many methods.

/** A switch for each family. None is on: every method is shown; several: those of each. */
function familyButtons() {
  at("families").hidden = !data.families.length;
  at("families").append(...data.families.map(([family, known, methods]) => {
    const button = el("button", { class: "choice", "aria-pressed": "false" }, family, " ", el("small", {}, [known, methods.length].filter(Boolean).join(" · ")));
    button.addEventListener("click", () => {
      if (!state.families.delete(family)) state.families.add(family);
      button.setAttribute("aria-pressed", state.families.has(family));
      colour(leaders());
      recolour();
      filtered();
    });
    return button;
  }));
}

/** How many methods are shown while some are not, and of whom the marks are. */
function narrowed() {
  const own = data.methods.map((_, method) => method).filter(method => !data.references[method]), left = own.filter(wanted);
  const marked = shown().cells.some(cell => cell.best) ? "; bold and ≈ compare all of them" : "";
  at("narrowed").textContent = left.length < own.length ? `${left.length} of ${plural(own.length, "method")} shown${marked}.` : "";
}
