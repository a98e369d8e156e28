// Images under the tokens that stand for their patches.
vitrim.chart("merged", (data) => {
  // Neighbouring numbers get far hues, so that groups that touch can be told apart.
  const hue = (token) => (token * 137.508) % 360;
  const draw = (picture) => (width) => {
    const columns = data.columns, rows = picture.place.length / columns, side = 280 / columns;
    const size = new Map();
    for (const token of picture.place) size.set(token, (size.get(token) ?? 0) + 1);
    const svg = d3.create("svg").attr("viewBox", `0 0 280 ${rows * side}`).attr("width", Math.min(width, 320)).attr("role", "img")
      .attr("aria-label", `${picture.name}: ${picture.place.length} patches in ${size.size} tokens`).style("display", "block");
    svg.append("image").attr("href", picture.image).attr("width", 280).attr("height", rows * side).attr("preserveAspectRatio", "none");
    const at = (r, c) => (r < 0 || c < 0 || r >= rows || c >= columns ? -1 : picture.place[r * columns + c]);
    for (let r = 0; r < rows; ++r) {
      for (let c = 0; c < columns; ++c) {
        const token = at(r, c);
        if (size.get(token) > 1) {
          svg.append("rect").attr("x", c * side).attr("y", r * side).attr("width", side).attr("height", side)
            .attr("fill", `hsl(${hue(token)} 85% 55%)`).attr("fill-opacity", 0.38)
            .append("title").text(`one token for ${size.get(token)} patches`);
        }
        if (at(r, c + 1) !== token) svg.append("line").attr("x1", (c + 1) * side).attr("x2", (c + 1) * side).attr("y1", r * side).attr("y2", (r + 1) * side).attr("stroke", "white").attr("stroke-width", 0.8);
        if (at(r + 1, c) !== token) svg.append("line").attr("x1", c * side).attr("x2", (c + 1) * side).attr("y1", (r + 1) * side).attr("y2", (r + 1) * side).attr("stroke", "white").attr("stroke-width", 0.8);
      }
    }
    return svg.node();
  };
  return {panels: data.pictures.map((picture) => ({name: picture.name, basis: 240, draw: draw(picture)}))};
});
