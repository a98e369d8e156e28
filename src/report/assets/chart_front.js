// Accuracy against multiply-adds: a dot a model, a line a method, dearest to cheapest.
vitrim.chart("front", (data) => {
  const {number, compact, percent, grid, axisX, axisY, plot, tip} = vitrim;
  const methods = [...new Set(data.rows.map((d) => d.method))].filter((m) => m !== "dense");
  const color = (method) => (method === "dense" ? "var(--text)" : `var(--run-${methods.indexOf(method) % 6})`);
  const byCost = d3.sort(data.rows.filter((d) => d.method !== "dense"), (d) => -d.macs);
  const text = (d) => `${d.name}\n${d.method}\n${compact(d.macs)} multiply-adds\n${percent(d.value)} [${percent(d.low)}, ${percent(d.high)}]`;
  const draw = (width) => plot(width, "Accuracy against multiply-adds", {
    height: 360, marginBottom: 40, x: {nice: true}, y: {nice: true},
    marks: [
      grid(), axisX(width, {label: "multiply-adds, G", tickFormat: (v) => number(v / 1e9)}), axisY({label: "accuracy, %", tickFormat: (v) => number(100 * v)}),
      Plot.line(byCost, {x: "macs", y: "value", z: "series", stroke: (d) => color(d.method), strokeWidth: 1.5, strokeOpacity: 0.6}),
      Plot.ruleX(data.rows, {x: "macs", y1: "low", y2: "high", stroke: (d) => color(d.method), strokeWidth: 1.2, strokeOpacity: 0.6}),
      Plot.dot(data.rows, {x: "macs", y: "value", r: 5, fill: (d) => color(d.method), stroke: "var(--surface)", strokeWidth: 1}),
      tip(data.rows, {x: "macs", y: "value", title: text}),
    ],
  });
  return {
    legend: [{shape: "dot", color: "text", label: "dense"}, ...methods.map((m, i) => ({shape: "dot", color: `run-${i % 6}`, label: m}))],
    panels: [{name: "Accuracy by multiply-adds", basis: 420, draw}],
  };
});
