"use strict";
// Draws every <figure data-chart="NAME"> from the JSON that stands in it. A chart is a function from that JSON to panels; a panel
// draws itself for a width, so that everything can be drawn again when the page's width or theme changes.
const vitrim = (() => {
  const charts = new Map();
  const root = document.documentElement;

  /**
   * Registers NAME; draw(data) returns {legend: [...], panels: [{name, grow, basis, draw(width, first)}]}. `first` says that the panel
   * stands at the left end of its row, so that panels beside each other need not all name their rows.
   */
  const chart = (name, draw) => charts.set(name, draw);

  /** The value of a colour or number in the theme that is on. */
  const css = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();

  const element = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };

  // --- numbers ---
  const sign = (text) => text.replace("-", "\u2212");
  const number = (value, digits = 3) => {
    if (value === null || !Number.isFinite(value)) return "\u2013";
    if (value === 0) return "0";
    return sign(Math.abs(value) < 1e-4 ? value.toExponential(1) : Number(value.toPrecision(digits)).toString());
  };
  const compact = (value) =>
    value >= 999.5e6 ? number(value / 1e9) + " G" : value >= 999.5e3 ? number(value / 1e6) + " M" : value >= 999.5 ? number(value / 1e3) + " k" : number(value);
  const points = (value) => (value > 0 ? "+" : "") + sign((100 * value).toFixed(1));
  const percent = (value, digits = 1) => (100 * value).toFixed(digits) + " %";

  // --- things that several charts share ---
  const ci = 1.96;  // standard errors to a 95 % interval
  const withInterval = (row) => ({...row, low: row.value - ci * (row.se ?? 0), high: row.value + ci * (row.se ?? 0)});
  const valueText = (row) => number(row.value, 4) + (row.se ? " \u00b1 " + number(row.se, 2) + " (standard error)" : "");

  /** An x scale of whole block numbers, with as many ticks as there is room for. */
  const blocks = (layers, width) => {
    const step = [1, 2, 4, 8].find((s) => (layers / s) * 24 <= width - 60) ?? 16;
    return {domain: [-0.5, layers - 0.5], ticks: d3.range(0, layers, step), tickFormat: (d) => String(d), tickSize: 0, label: "block", labelAnchor: "right"};
  };
  const band = (chosen) => Plot.rect(chosen, {x1: (d) => d - 0.5, x2: (d) => d + 0.5, fill: "var(--band)", ariaLabel: "chosen"});
  const grid = (options = {}) => Plot.gridY({stroke: "var(--grid)", strokeOpacity: 1, ...options});

  /** Plot.plot with the page's type, colours and labels. */
  const axisY = (options = {}) => Plot.axisY({tickSize: 0, labelArrow: "none", ...options});
  const axisX = (width, options = {}) => Plot.axisX({tickSize: 0, ticks: Math.max(2, Math.min(6, Math.floor(width / 70))), labelArrow: "none", labelAnchor: "right", ...options});
  const plot = (width, label, options) => Plot.plot({
    width, marginLeft: 48, marginRight: 12, marginTop: 22, marginBottom: 36, ariaLabel: label, ...options,
    style: {fontFamily: "inherit", fontSize: "12px", color: "var(--muted)", background: "transparent", overflow: "visible", "--plot-background": "var(--surface)"},
    x: {labelArrow: "none", ...options.x}, y: {labelArrow: "none", ...options.y},
  });
  const tip = (rows, channels, pointer = Plot.pointer) =>
    Plot.tip(rows, pointer({...channels, fill: "var(--surface)", stroke: "var(--faint)", textPadding: 9, lineHeight: 1.4, lineWidth: 24, maxRadius: 30}));

  const swatches = {
    dot: '<circle cx="9" cy="6" r="4.5" fill="C"/>',
    circle: '<circle cx="9" cy="6" r="4.5" fill="C"/>',
    triangle: '<path d="M9 0.8 14.6 10.6H3.4Z" fill="C"/>',
    star: '<path d="M9 0 10.5 4.2 15 4.3 11.4 7 12.7 11.3 9 8.8 5.3 11.3 6.6 7 3 4.3 7.5 4.2Z" fill="C"/>',
    cross: '<path d="M7.2 0.8H10.8V4.2H14.2V7.8H10.8V11.2H7.2V7.8H3.8V4.2H7.2Z" fill="C"/>',
    diamond: '<path d="M9 0.5 14.5 6 9 11.5 3.5 6Z" fill="C"/>',
    hollow: '<path d="M9 1 14 6 9 11 4 6Z" fill="none" stroke="C" stroke-width="1.5"/>',
    square: '<rect x="3" y="0.5" width="12" height="11" rx="2" fill="C"/>',
    tint: '<rect x="3.6" y="1.1" width="10.8" height="9.8" rx="2" fill="C" fill-opacity="0.22" stroke="C" stroke-width="1.2"/>',
    removed: '<rect x="3" y="1" width="12" height="10" rx="2" fill="none" stroke="C" stroke-width="1.3" stroke-dasharray="3 2"/><path d="M3.5 10.5 14.5 1.5" stroke="C" stroke-width="1.3"/>',
    dash: '<path d="M0 6H18" stroke="C" stroke-width="1.3" stroke-dasharray="4 3"/>',
    line: '<path d="M0 6H18" stroke="C" stroke-width="2"/>',
    faint: '<path d="M0 6H18" stroke="C" stroke-width="1" stroke-opacity="0.6"/>',
    outline: '<rect x="1.5" y="1.5" width="15" height="9" rx="2.5" fill="none" stroke="C" stroke-width="1.5"/>',
    ring: '<circle cx="9" cy="6" r="4.7" fill="none" stroke="C" stroke-width="1.5"/>',
  };
  const legend = (items) => {
    const box = element("div", {class: "legend"});
    for (const item of items) {
      const entry = element("span");
      if (item.ramp) {
        const ramp = element("span", {class: "ramp"});
        ramp.style.background = "linear-gradient(to right," + item.ramp.join(",") + ")";
        entry.append(item.from, ramp, item.to);
      } else {
        const box = element("span", {"aria-hidden": "true"});
        box.innerHTML = '<svg width="18" height="12" viewBox="0 0 18 12">' + swatches[item.shape].replaceAll("C", `var(--${item.color})`) + "</svg>";
        entry.append(box, item.label);
      }
      box.append(entry);
    }
    return box;
  };

  /** Shows `text` beside the pointer while it is over `node` (for charts that are not Plot's). */
  let bubble;
  const hover = (node, text) => {
    bubble ??= document.body.appendChild(element("div", {class: "tip", hidden: "", "aria-hidden": "true"}));
    node.addEventListener("pointerleave", () => (bubble.hidden = true));
    node.addEventListener("pointermove", (event) => {
      bubble.textContent = text;
      bubble.hidden = false;
      const {offsetWidth: w, offsetHeight: h} = bubble;
      bubble.style.left = Math.max(4, Math.min(event.clientX + 14, root.clientWidth - w - 4)) + "px";
      bubble.style.top = (event.clientY + 18 + h > innerHeight ? event.clientY - h - 12 : event.clientY + 18) + "px";
    });
  };

  // --- drawing ---
  const figures = [];
  const redraw = (figure) => {
    const places = figure.panels.map(({panel, body, holder}) => ({panel, body, width: Math.floor(body.clientWidth), first: holder.offsetLeft === figure.box.firstElementChild.offsetLeft}));
    for (const {panel, body, width, first} of places) if (width > 0) body.replaceChildren(panel.draw(width, first));
  };
  const build = (node) => {
    const data = JSON.parse(node.querySelector('script[type="application/json"]').textContent);
    const make = charts.get(node.dataset.chart);
    const box = node.querySelector(".plots");
    const figure = {box, panels: [], width: 0};
    const layout = () => {
      const {legend: items = [], panels} = make(data);
      box.replaceChildren(...(items.length ? [legend(items)] : []));
      figure.panels = panels.map((panel) => {
        const body = element("div");
        const holder = element("div", {class: "panel"}, ...(panel.name ? [element("div", {class: "name"}, panel.name)] : []), body);
        holder.style.flex = `${panel.grow ?? 1} 1 ${panel.basis ?? 320}px`;
        box.append(holder);
        return {panel, body, holder};
      });
      redraw(figure);
    };
    figure.layout = layout;
    layout();
    figure.width = box.clientWidth;
    figures.push(figure);
    new ResizeObserver(() => {
      if (Math.abs(box.clientWidth - figure.width) < 1) return;
      figure.width = box.clientWidth;
      requestAnimationFrame(() => redraw(figure));
    }).observe(box);
  };
  const relayout = () => figures.forEach((figure) => figure.layout());

  const themeButton = () => {
    const button = document.getElementById("theme");
    const system = matchMedia("(prefers-color-scheme: dark)");
    const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const show = () => (button.textContent = dark() ? "Light" : "Dark");
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      try { localStorage.setItem("vitrim-theme", root.dataset.theme); } catch { /* a file page may have no storage */ }
      show();
      relayout();
    });
    system.addEventListener("change", () => { show(); relayout(); });
    show();
    // Paper is light, whatever the screen is.
    addEventListener("beforeprint", () => { root.dataset.printing = ""; relayout(); });
    addEventListener("afterprint", () => { delete root.dataset.printing; relayout(); });
  };
  const copyButtons = () => {
    for (const button of document.querySelectorAll("button.copy")) {
      button.hidden = false;
      button.addEventListener("click", async () => {
        const code = button.parentElement.querySelector("code");
        try {
          await navigator.clipboard.writeText(code.textContent);
          button.textContent = "Copied";
        } catch {  // no clipboard here: select it, so that one key copies it
          getSelection().selectAllChildren(code);
          button.textContent = "Selected";
        }
        setTimeout(() => (button.textContent = "Copy"), 1500);
      });
    }
  };

  const start = () => {
    themeButton();
    copyButtons();
    for (const node of document.querySelectorAll("figure.chart")) {
      try {
        build(node);
        node.querySelector("details")?.removeAttribute("open");
      } catch (error) {  // the table stays open; one broken chart must not take the others with it
        node.querySelector(".plots").replaceChildren(element("p", {class: "failed"}, "This chart could not be drawn; its table is below."));
        console.error(error);
      }
    }
    for (const node of document.querySelectorAll("details.recipe")) node.removeAttribute("open");
  };

  return {chart, start, css, element, number, compact, points, percent, ci, withInterval, valueText, blocks, band, grid, axisX, axisY, plot, tip, hover};
})();
