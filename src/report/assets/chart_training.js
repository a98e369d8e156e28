// Training curves of one or several runs.
{
  const {number, percent, grid, axisX, axisY, plot, tip} = vitrim;
  const shapes = ["circle", "square", "triangle", "diamond", "star", "cross"];

  vitrim.chart("curves", (data) => {
    const runs = data.runs.map((run, i) => ({...run, color: `var(--run-${i % 6})`, shape: shapes[i % 6]}));
    const several = runs.length > 1;
    const of = (key) => runs.flatMap((run) => run[key].map((d) => ({...d, run})));
    const epochs = of("epochs"), steps = of("steps");
    const last = Math.max(1, d3.max([...epochs, ...steps], (d) => d.x));
    const given = (rows, key) => rows.filter((d) => d[key] !== null && d[key] !== undefined);
    const dots = d3.max(runs, (run) => run.epochs.length) <= 40;
    const text = (d) => [
      several ? d.run.name : null,
      d.epoch === undefined ? `step ${d.step}` : `epoch ${d.epoch}`,
      `loss ${number(d.loss, 4)}`,
      `learning rate ${number(d.rate)}, lambda ${number(d.lambda)}`,
      d.top1 === null || d.top1 === undefined ? null : `${data.metric === "mIoU" ? "mIoU" : "top-1"} ${percent(d.top1)}` + (d.ema === null ? "" : `, averaged weights ${percent(d.ema)}`),
      `${number(d.speed)} images a second, ${number(d.memory)} GiB`,
    ].filter((line) => line !== null).join("\n");
    const x = {domain: [0, last], label: null};
    const axis = (width) => axisX(width, {label: data.unit, tickFormat: (d) => (Number.isInteger(d) ? d3.format(d >= 10000 ? "~s" : "d")(d) : "")});
    const style = {stroke: (d) => d.run.color, z: (d) => d.run};

    /** One figure by epoch; `fine` draws it by step where a log has that. */
    const panel = (name, key, {fine = false, thin = false, zero = false, height = 0.5, basis = 400, grow = 1, format, top} = {}) => {
      const rows = given(epochs, key), parts = given(steps, key);
      const smooth = fine && parts.length > 0;  // the fine line says it all: no epoch line beside it
      const lines = smooth ? [...parts, ...given(epochs.filter((d) => !d.run.steps.length), key)] : rows;
      if (!lines.length && !parts.length) return null;
      const pointed = lines.length ? lines : parts;
      return {name, basis, grow, draw: (width) => plot(width, `${name} by ${data.unit}`, {
        height: Math.round(Math.max(170, Math.min(300, width * height))), marginTop: 12, marginLeft: 54, x,
        y: {nice: true, zero, label: null, ticks: 5, domain: top}, symbol: {type: "identity"},
        marks: [
          grid({ticks: 5}), axisY({label: null, ticks: 5, tickFormat: format ?? ((d) => number(d))}), axis(width),
          thin ? Plot.line(parts, {...style, x: "x", y: key, strokeWidth: 1, strokeOpacity: several ? 0.35 : 0.5}) : null,
          Plot.line(lines, {...style, x: "x", y: key, strokeWidth: 2}),
          key === "top1" ? Plot.line(given(epochs, "ema"), {...style, x: "x", y: "ema", strokeWidth: 1.6, strokeDasharray: "5 3"}) : null,
          dots && !smooth ? Plot.dot(rows, {x: "x", y: key, fill: (d) => d.run.color, symbol: (d) => d.run.shape, r: 3.6, stroke: "var(--surface)", strokeWidth: 0.8}) : null,
          key === "top1" ? Plot.dot(rows.filter((d) => d.epoch === d.run.chosen), {x: "x", y: (d) => (d.ema ?? d.top1), r: 8, stroke: (d) => d.run.color, strokeWidth: 1.6}) : null,
          tip(pointed, {x: "x", y: key, title: text}),
        ],
      })};
    };
    const diluted = [...epochs, ...steps].some((d) => d.lambda > 0);
    const accuracy = given(epochs, "top1").length > 0;
    const legend = several ? runs.map((run, i) => ({shape: run.shape, color: `run-${i % 6}`, label: run.name + (run.finished ? "" : " (log)")})) : [];
    if (accuracy && given(epochs, "ema").length) legend.push({shape: "dash", color: "muted", label: "averaged weights"});
    if (accuracy && runs.some((run) => run.chosen)) legend.push({shape: "ring", color: "muted", label: "exported"});
    if (steps.length && epochs.length) legend.push({shape: "faint", color: "muted", label: "single steps"});
    const byStep = epochs.length === 0;
    const small = {zero: true, height: 0.42, basis: diluted ? 400 : 250};  // rows of two or of three
    return {legend, panels: [
      panel("Loss", "loss", {thin: !byStep, fine: byStep, basis: accuracy ? 400 : 5000}),
      panel(data.metric === "mIoU" ? "mIoU, %" : "Top-1 accuracy, %", "top1", {format: (d) => number(100 * d)}),
      panel("Learning rate", "rate", {...small, fine: true, format: (d) => (d === 0 ? "0" : number(d, 2))}),
      diluted ? panel("Lambda", "lambda", {...small, fine: true, top: [0, 1]}) : null,
      panel("Images a second", "speed", {...small, fine: byStep}),
      panel("Memory, GiB", "memory", {...small, fine: byStep}),
    ].filter((p) => p !== null)};
  });
}
