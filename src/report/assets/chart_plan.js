// What a budget buys: candidates by cost and loss, a ring where both were predicted, a dot where they were measured, a line between the two.
vitrim.chart("plan", (data) => {
  const {number, grid, axisX, axisY, plot, tip} = vitrim;
  const cost = (d) => d.measuredCost ?? d.cost;
  const measured = data.rows.filter((d) => d.measuredKl !== null);
  const beside = (value) => (value === null ? "" : ", " + number(value) + " measured");
  const text = (d) => `${d.name}\n${number(d.cost)} ${data.unit} predicted${beside(d.measuredCost)}\nloss ${number(d.kl)} nats predicted${beside(d.measuredKl)}` +
    (d.top1 === null ? "" : `\ntop-1 ${vitrim.percent(d.top1)}`);
  const draw = (width) => plot(width, "Loss against cost", {
    height: 340, marginBottom: 40, x: {nice: true}, y: {nice: true, zero: true},
    marks: [
      grid(), axisX(width, {label: `${data.quantity}, ${data.unit}`}), axisY({label: "loss, nats"}),
      ...(data.limit === null ? [] : [Plot.ruleX([data.limit], {stroke: "var(--faint)", strokeWidth: 1.5, strokeDasharray: "4 3"})]),
      Plot.link(measured, {x1: "cost", y1: "kl", x2: cost, y2: "measuredKl", stroke: "var(--faint)"}),
      Plot.dot(data.rows, {x: "cost", y: "kl", r: 4.7, stroke: "var(--muted)", strokeWidth: 1.5}),
      Plot.dot(measured, {x: cost, y: "measuredKl", r: (d) => (d.chosen ? 7 : 5), fill: (d) => (d.chosen ? "var(--accent)" : "var(--dense)"), stroke: "var(--surface)", strokeWidth: 1}),
      tip(data.rows, {x: "cost", y: "kl", title: text}),
    ],
  });
  return {
    legend: [{shape: "ring", color: "muted", label: "predicted"}, {shape: "dot", color: "dense", label: "measured"}, {shape: "dot", color: "accent", label: "chosen"},
      {shape: "dash", color: "faint", label: "the budget"}],
    panels: [{name: `Loss by ${data.quantity}`, basis: 420, draw}],
  };
});

// Pieces added up against whole models.
vitrim.chart("plan-latency", (data) => {
  const {number, grid, axisX, axisY, plot, tip} = vitrim;
  const most = d3.max(data.rows, (d) => Math.max(d.predicted, d.measured));
  const draw = (width) => plot(width, "Measured against predicted latency", {
    height: 280, marginBottom: 40, x: {nice: true}, y: {nice: true},
    marks: [
      grid(), axisX(width, {label: "predicted, ms"}), axisY({label: "measured, ms"}),
      Plot.line([[0, 0], [most, most]], {stroke: "var(--faint)", strokeDasharray: "4 3"}),
      Plot.dot(data.rows, {x: "predicted", y: "measured", r: 5, fill: "var(--accent)", stroke: "var(--surface)", strokeWidth: 1}),
      tip(data.rows, {x: "predicted", y: "measured", title: (d) => `${d.name}\n${number(d.predicted)} ms predicted, ${number(d.measured)} ms measured`}),
    ],
  });
  return {legend: [{shape: "dot", color: "accent", label: "a whole model"}, {shape: "dash", color: "faint", label: "predicted as measured"}], panels: [{name: "Latency", basis: 320, draw}]};
});
