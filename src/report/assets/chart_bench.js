// Speed of every entry, batch by batch: a dot at the median, a line from the 10th to the 90th percentile, a ring at what multiply-adds promise.
vitrim.chart("bench", (data) => {
  const {number, axisX, plot, tip} = vitrim;
  const clip = (text, most) => (text.length > most ? text.slice(0, most - 1) + "\u2026" : text);
  const draw = (rows) => (width) => {
    const most = width < 480 ? 22 : 44, left = 18 + 6.4 * d3.max(rows, (d) => clip(d.name, most).length);
    return plot(width, "Speed-up over the first row", {
      height: 40 + 32 * rows.length, marginLeft: left, marginRight: 62, marginTop: 6, marginBottom: 28,
      x: {nice: true, zero: true}, y: {type: "band", domain: rows.map((d) => d.name), axis: null},
      marks: [
        Plot.gridX({stroke: "var(--grid)", strokeOpacity: 1, ticks: 5}),
        axisX(width - left, {label: null}),
        Plot.ruleX([1], {stroke: "var(--faint)", strokeWidth: 1.5}),
        Plot.text(rows, {y: "name", frameAnchor: "left", text: (d) => clip(d.name, most), dx: -10, textAnchor: "end", fill: "var(--text)"}),
        Plot.ruleY(rows, {y: "name", x1: "low", x2: "high", stroke: "var(--accent)", strokeWidth: 2.5, strokeLinecap: "round"}),
        Plot.dot(rows, {x: "predicted", y: "name", stroke: "var(--muted)", r: 5.5, strokeWidth: 1.5}),
        Plot.dot(rows, {x: "speedup", y: "name", fill: "var(--accent)", r: 5.5, stroke: "var(--surface)", strokeWidth: 1.2}),
        Plot.text(rows, {y: "name", frameAnchor: "right", text: (d) => number(d.speedup) + "\u00d7", textAnchor: "end", dx: 54, fill: "var(--text)"}),
        tip(rows, {x: "speedup", y: "name", title: (d) => `${d.name}\n${number(d.speedup)}\u00d7 [${number(d.low)}, ${number(d.high)}]\nby multiply-adds ${number(d.predicted)}\u00d7\n${number(d.rate)} images/s, ${number(d.latency)} ms a call`}),
      ],
    });
  };
  return {
    legend: [{shape: "dot", color: "accent", label: "measured, with 10th to 90th percentile of rounds"}, {shape: "ring", color: "muted", label: "by multiply-adds alone"}],
    panels: data.batches.map((batch) => ({name: `Batch ${batch}: times as fast as the first row`, basis: 420, draw: draw(data.rows.filter((d) => d.batch === batch))})),
  };
});
