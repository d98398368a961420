// List the visible texts whose contrast with their background is below what WCAG 2.2 requires of small text
// (success criterion 1.4.3). Disabled text and text over a picture are left out.
() => {
  const LEAST = 4.5;

  // Parse a computed colour: red, green and blue up to 255, and opacity.
  const parts = (colour) => {
    const [red, green, blue, opacity = 1] = colour.match(/[\d.]+/g).map(Number);
    return colour.startsWith("rgb") ? [red, green, blue, opacity] : [255 * red, 255 * green, 255 * blue, opacity];
  };
  const over = (above, below) => [0, 1, 2].map((i) => above[i] * above[3] + below[i] * (1 - above[3]));

  const luminance = (colour) => {
    const [red, green, blue] = colour
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };

  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const hint = element.placeholder && !element.value;
    const text = hint ? element.placeholder : [...element.childNodes]
      .filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join("").trim();
    const { width, height } = element.getBoundingClientRect();
    const seen = width > 1 && height > 1 && element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    if (!text || !seen || element.closest("option, :disabled, [inert], [aria-hidden=true]")) continue;

    const around = [];
    for (let each = element; each; each = each.parentElement) around.unshift(getComputedStyle(each));
    const behind = around.reduce((below, style) => over(parts(style.backgroundColor), below), [255, 255, 255]);
    const colour = parts(getComputedStyle(element, hint ? "::placeholder" : null).color);
    colour[3] *= around.reduce((opacity, style) => opacity * style.opacity, 1);
    const ratio = contrast(over(colour, behind), behind);
    if (ratio < LEAST) found.push(`${ratio.toFixed(2)}: ${text.slice(0, 60)} <${element.tagName} ${element.className}>`);
  }
  return found;
}
