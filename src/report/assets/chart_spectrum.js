// Spectra by depth, and times.
{
  const {axisX, axisY, plot, tip, number, css} = vitrim;

  vitrim.chart("spectrum", (data) => {
    const from = Number(css("depth-from")), to = Number(css("depth-to"));
    const count = d3.max(data.panels, (p) => p.blocks.length);
    const color = (block) => d3.interpolateViridis(from + (to - from) * (count > 1 ? block / (count - 1) : 0));
    const values = data.panels.flatMap((p) => p.blocks.flat()).filter((v) => v !== null);
    const domain = [d3.min(values), Math.max(0, d3.max(values))];  // one scale for all panels
    const panels = data.panels.map((panel) => {
      const removed = new Set(panel.removed);
      const rows = panel.blocks.flatMap((line, block) => line.map((value, i) => ({block, value, radius: panel.radii[i]})));
      const lines = (hidden) => rows.filter((d) => removed.has(d.block) === hidden);
      const style = {x: "radius", y: "value", z: "block", stroke: (d) => color(d.block), strokeWidth: 1.8};
      return {name: panel.title, basis: 360, draw: (width) => plot(width, `Relative log amplitude by radius, ${panel.title}`, {
        height: Math.round(Math.max(250, Math.min(340, width * 0.66))),
        y: {domain, nice: true},
        marks: [
          Plot.gridY({stroke: "var(--grid)", strokeOpacity: 1}), axisY({label: "ln amplitude, relative"}), axisX(width, {label: "spatial frequency, units of \u03c0"}),
          Plot.line(lines(false), style), Plot.line(lines(true), {...style, strokeDasharray: "5 3"}),
          tip(rows, {x: "radius", y: "value", title: (d) => `Block ${d.block}${removed.has(d.block) ? ", attention removed" : ""}\nradius ${number(d.radius)} \u03c0\n${number(d.value)}`}),
        ],
      })};
    });
    return {legend: [{ramp: d3.range(count).map(color), from: "block 0", to: `block ${count - 1}`},
      ...(data.panels.some((p) => p.removed.length) ? [{shape: "dash", color: "muted", label: "attention removed"}] : [])], panels};
  });

  vitrim.chart("time", (data) => ({
    panels: [{draw: (width) => plot(width, "Seconds of each phase", {
      height: 20 + 34 * data.rows.length, marginTop: 4, marginBottom: 8, marginRight: 76, marginLeft: 18 + 6.8 * Math.min(24, d3.max(data.rows, (d) => d.phase.length)),
      x: {axis: null}, y: {type: "band", domain: data.rows.map((d) => d.phase), label: null, padding: 0.35},
      marks: [
        axisY({label: null, tickFormat: (d) => (d.length > 24 ? d.slice(0, 23) + "\u2026" : d)}),
        Plot.barX(data.rows, {x: "seconds", y: "phase", fill: "var(--attention)", rx: 2}),
        Plot.text(data.rows, {x: "seconds", y: "phase", text: "label", textAnchor: "start", dx: 7, fill: "var(--text)"}),
        Plot.ruleX([0], {stroke: "var(--faint)"}),
      ],
    })}],
  }));
}
