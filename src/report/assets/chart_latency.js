// Accuracy against images a second, batch by batch: a dot a model, a bar its interval.
vitrim.chart("latency", (data) => {
  const {number, percent, grid, axisX, axisY, plot, tip} = vitrim;
  const kinds = [...new Set(data.rows.map((d) => d.kind))].filter((k) => k !== "dense");
  const color = (kind) => (kind === "dense" ? "var(--text)" : `var(--run-${kinds.indexOf(kind) % 6})`);
  const symbol = (kind) => (kind === "other programs" ? "diamond" : "circle");
  const text = (d) => `${d.name}\n${d.kind}\n${number(d.rate)} images/s, ${number(1000 / d.rate)} ms an image\n${percent(d.value)} [${percent(d.low)}, ${percent(d.high)}]`;
  const draw = (rows) => (width) => plot(width, "Accuracy against images a second", {
    height: 360, marginBottom: 40, x: {nice: true}, y: {nice: true},
    marks: [
      grid(), axisX(width, {label: "images a second"}), axisY({label: "accuracy, %", tickFormat: (v) => number(100 * v)}),
      Plot.ruleX(rows, {x: "rate", y1: "low", y2: "high", stroke: (d) => color(d.kind), strokeWidth: 1.2, strokeOpacity: 0.6}),
      Plot.dot(rows, {x: "rate", y: "value", r: 5.5, symbol: (d) => symbol(d.kind), fill: (d) => color(d.kind), stroke: "var(--surface)", strokeWidth: 1}),
      tip(rows, {x: "rate", y: "value", title: text}),
    ],
  });
  return {
    legend: [...(data.rows.some((d) => d.kind === "dense") ? [{shape: "dot", color: "text", label: "dense"}] : []), ...kinds.map((k, i) => ({shape: "dot", color: `run-${i % 6}`, label: k}))],
    panels: data.batches.map((batch) => ({name: `Batch ${batch}`, basis: 420, draw: draw(data.rows.filter((d) => d.batch === batch))})),
  };
});
