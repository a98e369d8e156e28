// Opens the pages of write_pages in headless Chromium at two widths, light and dark, and fails on console errors, uncaught exceptions,
// requests for anything but the page itself, horizontal overflow, or a chart that is not there. Without packages: the DevTools protocol
// over a pipe (NUL-ended JSON on file descriptors 3 and 4).
//   node browser.mjs FOLDER [--screenshots FOLDER]
import {spawn} from "node:child_process";
import {existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {delimiter, join, resolve} from "node:path";
import {pathToFileURL} from "node:url";

const folder = resolve(process.argv[2] ?? ".");
const shots = process.argv[3] === "--screenshots" ? resolve(process.argv[4]) : null;

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const browserPath = process.env.VITRIM_CHROMIUM ??
  process.env.PATH.split(delimiter).flatMap((dir) => names.map((name) => join(dir, name))).find(existsSync);
if (!browserPath || !existsSync(browserPath)) {
  console.log("SKIPPED: Chromium was not found (looked for " + names.join(", ") + " and VITRIM_CHROMIUM), so the report was not opened in a browser");
  process.exit(0);
}

// What each page has to show: chart name to how many of them, and the marks that each must have.
const expected = {
  "full.html": {model: 1, entropy: 1, transfer: 1, interaction: 1, sets: 2, accuracy: 1, controls: 1, spectrum: 1, time: 1},
  "many.html": {front: 1, model: 2, entropy: 2, transfer: 2, interaction: 2, sets: 4, accuracy: 1, controls: 2, spectrum: 3, time: 2},
  "unlabelled.html": {model: 1, controls: 1, time: 1},
  "eval.html": {accuracy: 1},
  "dilution.html": {curves: 1, flow: 1, accuracy: 1},
  "runs.html": {curves: 1, flow: 6, model: 1, entropy: 1, transfer: 1, interaction: 1, sets: 2, accuracy: 1, controls: 1, spectrum: 1, time: 1},
  "started.html": {curves: 1},
  "merged.html": {model: 1, merged: 1, accuracy: 1, spectrum: 1, time: 1},
  "int8.html": {model: 1, quantization: 1, accuracy: 1, spectrum: 1, time: 1},
  "speed.html": {bench: 1},
  "plan.html": {plan: 1, "plan-latency": 1},
};
const least = {front: 6, model: 20, entropy: 20, transfer: 40, interaction: 130, sets: 30, accuracy: 1, controls: 7, spectrum: 12, time: 7, curves: 8, flow: 190, quantization: 48};

const profile = mkdtempSync(join(tmpdir(), "vitrim-report-"));
const browser = spawn(browserPath, ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--no-first-run", "--remote-debugging-pipe", "--user-data-dir=" + profile],
{stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"]});

let next = 0, buffer = "";
const waiting = new Map();
let listener = () => {};
browser.stdio[4].setEncoding("utf8");
browser.stdio[4].on("data", (chunk) => {
  buffer += chunk;
  for (let end; (end = buffer.indexOf("\0")) >= 0; buffer = buffer.slice(end + 1)) {
    const message = JSON.parse(buffer.slice(0, end));
    if (!message.id) listener(message);
    else {
      const {accept, reject} = waiting.get(message.id);
      waiting.delete(message.id);
      message.error ? reject(new Error(message.error.message)) : accept(message.result);
    }
  }
});
const send = (method, params = {}, sessionId = undefined) => new Promise((accept, reject) => {
  waiting.set(++next, {accept, reject});
  browser.stdio[3].write(JSON.stringify({id: next, method, params, sessionId}) + "\0");
});
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Runs in the page: what it looks like from inside.
const probe = () => {
  const figures = [...document.querySelectorAll("figure.chart")].map((figure) => ({
    name: figure.dataset.chart,
    panels: [...figure.querySelectorAll(".panel")].map((panel) => ({
      svg: panel.querySelectorAll("svg[aria-label]").length,
      marks: panel.querySelectorAll("svg :is(circle, rect, path, line, text)").length,
      broken: /NaN|undefined|Infinity/.test(panel.innerHTML.replace(/<text[^>]*>[^<]*<\/text>/g, "")),
      wide: [...panel.querySelectorAll("svg")].some((svg) => svg.getBoundingClientRect().right > innerWidth + 1),
    })),
    caption: figure.querySelector("figcaption").textContent.length,
    table: figure.querySelectorAll("table tbody tr").length,
  }));
  const overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const culprits = overflow > 0 ? [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".table, nav, pre"))
    .slice(0, 5).map((e) => e.tagName + "." + (e.className.baseVal ?? e.className)) : [];
  // Contrast of every colour that text or marks use with what lies behind it, by WCAG's formula.
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const luminance = (name) => {
    canvas.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const pale = [["text", 4.5], ["muted", 4.5], ["attention", 4.5], ["mlp", 4.5], ["accent", 4.5], ["dense", 4.5], ["neutral", 3],
    ...[0, 1, 2, 3, 4, 5].map((run) => ["run-" + run, 3])]
    .flatMap(([name, least]) => ["page", "surface"].map((behind) => [name, behind, contrast(name, behind), least]))
    .filter(([name, behind, value, least]) => value < least - (behind === "page" && name === "neutral" ? 0.3 : 0))
    .map(([name, behind, value]) => `${name} on ${behind} ${value.toFixed(2)}`);
  return {pale, figures, overflow, culprits, headings: [...document.querySelectorAll("h1, h2, h3, h4")].map((h) => Number(h.tagName[1]))};
};

const failures = [];
const open = async (session, page, {width, height, dark}) => {
  const where = `${page} at ${width} px, ${dark ? "dark" : "light"}`;
  const fail = (text) => failures.push(`${where}: ${text}`);
  let loaded;
  const ready = new Promise((done) => (loaded = done));
  listener = ({method, params}) => {
    if (method === "Page.loadEventFired") loaded();
    if (method === "Runtime.exceptionThrown") fail("uncaught " + (params.exceptionDetails.exception?.description ?? params.exceptionDetails.text));
    if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) fail("console: " + params.args.map((a) => a.value ?? a.description).join(" "));
    if (method === "Log.entryAdded" && ["error", "warning"].includes(params.entry.level)) fail("log: " + params.entry.text);
    if (method === "Network.requestWillBeSent" && !params.request.url.startsWith("data:") && params.type !== "Document") fail("requested " + params.request.url);
  };
  await send("Emulation.setDeviceMetricsOverride", {width, height, deviceScaleFactor: 1, mobile: width < 600}, session);
  await send("Emulation.setEmulatedMedia", {features: [{name: "prefers-color-scheme", value: dark ? "dark" : "light"}]}, session);
  const url = pathToFileURL(join(folder, page)).href;
  await send("Page.navigate", {url}, session);
  await ready;
  // The event may be the page's before: ask the page itself.
  for (let i = 0; i < 200; ++i) {
    const {result} = await send("Runtime.evaluate", {expression: `location.href === ${JSON.stringify(url)} && document.readyState === "complete"`, returnByValue: true}, session);
    if (result.value) break;
    await sleep(100);
  }
  await sleep(250);

  const look = async (when) => {
    const {result} = await send("Runtime.evaluate", {expression: `(${probe})()`, returnByValue: true}, session);
    const seen = result.value;
    for (const [name, count] of Object.entries(expected[page])) {
      const found = seen.figures.filter((figure) => figure.name === name);
      if (found.length !== count) fail(`${when}: ${found.length} charts "${name}", expected ${count}`);
      for (const figure of found) {
        if (figure.panels.length === 0) fail(`${when}: chart "${name}" has no panel`);
        if (figure.panels.some((panel) => panel.svg !== 1)) fail(`${when}: a panel of "${name}" has no labelled drawing`);
        if (figure.panels.some((panel) => panel.broken)) fail(`${when}: "${name}" draws NaN or undefined`);
        if (figure.panels.some((panel) => panel.wide)) fail(`${when}: "${name}" is wider than the page`);
        const marks = figure.panels.reduce((sum, panel) => sum + panel.marks, 0);
        if (marks < least[name]) fail(`${when}: "${name}" has ${marks} marks, expected ${least[name]}`);
        if (figure.caption < 60 || figure.table < 1) fail(`${when}: "${name}" lacks its caption or its table`);
      }
    }
    const charts = Object.values(expected[page]).reduce((a, b) => a + b, 0);
    if (seen.figures.length !== charts) fail(`${when}: ${seen.figures.length} charts, expected ${charts}`);
    if (seen.overflow > 0) fail(`${when}: the page scrolls sideways by ${seen.overflow} px (${seen.culprits.join(", ")})`);
    if (seen.pale.length) fail(`${when}: too little contrast: ${seen.pale.join(", ")}`);
    seen.headings.forEach((level, i) => { if (i && level > seen.headings[i - 1] + 1) fail(`${when}: a heading skips from level ${seen.headings[i - 1]} to ${level}`); });
  };
  await look("on load");
  if (shots) {
    const {contentSize} = await send("Page.getLayoutMetrics", {}, session).then((m) => ({contentSize: m.cssContentSize}));
    const {data} = await send("Page.captureScreenshot", {captureBeyondViewport: true, clip: {x: 0, y: 0, width, height: contentSize.height, scale: 1}}, session);
    mkdirSync(shots, {recursive: true});
    writeFileSync(join(shots, `${page.replace(".html", "")}-${width}-${dark ? "dark" : "light"}.png`), Buffer.from(data, "base64"));
  }
  if (width > 600 && expected[page].entropy) {  // values on hover
    const {result} = await send("Runtime.evaluate", {returnByValue: true, expression: `(() => { const svg = document.querySelector('[data-chart=entropy] .panel svg'); svg.scrollIntoView({block: "center", behavior: "instant"});
      const dot = svg.querySelectorAll('[aria-label=dot] path, [aria-label=dot] circle')[3].getBoundingClientRect(); return {x: dot.x + 4, y: dot.y + 4}; })()`}, session);
    for (const shift of [3, 0]) await send("Input.dispatchMouseEvent", {type: "mouseMoved", x: result.value.x + shift, y: result.value.y}, session);
    await sleep(100);
    const tip = await send("Runtime.evaluate", {expression: "document.querySelector('[data-chart=entropy] [aria-label=tip]')?.textContent ?? ''", returnByValue: true}, session);
    if (!/Block \d+/.test(tip.result.value)) fail("hovering a mark shows no value");
    if (shots) writeFileSync(join(shots, `hover-${dark ? "dark" : "light"}.png`), Buffer.from((await send("Page.captureScreenshot", {}, session)).data, "base64"));
  }
  if (width > 600 && page === "dilution.html") {  // the same for the curves and for the heat map's cells
    const hovered = async (find, shown) => {
      const {result} = await send("Runtime.evaluate", {returnByValue: true, expression: `(() => { const mark = ${find}; mark.scrollIntoView({block: "center", behavior: "instant"});
        const box = mark.getBoundingClientRect(); return {x: box.x + box.width / 2, y: box.y + box.height / 2}; })()`}, session);
      for (const shift of [2, 0]) await send("Input.dispatchMouseEvent", {type: "mouseMoved", x: result.value.x + shift, y: result.value.y}, session);
      await sleep(100);
      return (await send("Runtime.evaluate", {expression: `document.querySelector('${shown}')?.textContent ?? ''`, returnByValue: true}, session)).result.value;
    };
    const curve = await hovered("document.querySelectorAll('[data-chart=curves] .panel')[1].querySelector('[aria-label=dot] path')", "[data-chart=curves] .panel:nth-of-type(3) [aria-label=tip]");
    if (!/epoch 1.*top-1/s.test(curve)) fail(`hovering a curve shows "${curve}"`);
    const cell = await hovered("document.querySelector('[data-chart=flow] .panel svg rect')", "body > .tip:not([hidden])");
    if (!/Block 0, Attention, epoch 1\n/.test(cell)) fail(`hovering a cell of the heat map shows "${cell}"`);
  }
  // Charts follow a change of width and of theme; tables scroll in their own boxes.
  await send("Runtime.evaluate", {expression: "document.querySelectorAll('details').forEach((d) => (d.open = true))"}, session);
  await send("Runtime.evaluate", {expression: "document.getElementById('theme').click()"}, session);
  await send("Emulation.setDeviceMetricsOverride", {width: 360, height, deviceScaleFactor: 1, mobile: true}, session);
  await sleep(250);
  await look("after the theme and the width changed to 360 px");
  await send("Runtime.evaluate", {expression: "localStorage.clear()"}, session);
};

try {
  for (const page of Object.keys(expected)) {
    if (!readdirSync(folder).includes(page)) throw new Error(`${page} is missing in ${folder}`);
    for (const view of [{width: 1400, height: 900, dark: false}, {width: 1400, height: 900, dark: true}, {width: 380, height: 800, dark: false}, {width: 380, height: 800, dark: true}]) {
      const {targetId} = await send("Target.createTarget", {url: "about:blank"});
      const {sessionId} = await send("Target.attachToTarget", {targetId, flatten: true});
      for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(domain + ".enable", {}, sessionId);
      await open(sessionId, page, view);
      if (view.width < 600 && !view.dark) {  // without JavaScript the tables are the page
        await send("Emulation.setScriptExecutionDisabled", {value: true}, sessionId);
        await send("Runtime.evaluate", {expression: "window.isOld = true"}, sessionId);
        await send("Page.reload", {}, sessionId);
        // Until the page is there again there is nothing to look at.
        const look = () => send("Runtime.evaluate", {returnByValue: true, expression: `!window.isOld && document.readyState === "complete" && document.querySelector("footer") && ({closed: document.querySelectorAll("details:not([open])").length, rows: document.querySelectorAll("details[open] tbody tr").length,
          buttons: [...document.querySelectorAll("button")].filter((b) => b.offsetParent).length, overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth})`}, sessionId).catch(() => ({}));
        await sleep(400);
        let {result} = await look();
        for (let i = 0; i < 200 && !result?.value; ++i) {
          await sleep(100);
          ({result} = await look());
        }
        const {closed, rows, buttons, overflow} = result?.value || {};
        if (closed || !rows || buttons || overflow > 0) failures.push(`${page} without scripts: ${closed} closed tables, ${rows} rows, ${buttons} dead buttons, ${overflow} px overflow`);
        if (shots && page === "full.html") writeFileSync(join(shots, "plain.png"), Buffer.from((await send("Page.captureScreenshot", {captureBeyondViewport: true}, sessionId)).data, "base64"));
      }
      if (shots && page === "full.html" && view.width > 600 && view.dark) {
        await send("Emulation.setEmulatedMedia", {media: "", features: []}, sessionId);
        await send("Emulation.clearDeviceMetricsOverride", {}, sessionId);
        await send("Emulation.setDeviceMetricsOverride", {width: 720, height: 900, deviceScaleFactor: 1, mobile: false}, sessionId);
        await send("Emulation.setEmulatedMedia", {media: "print", features: []}, sessionId);
        await sleep(300);
        writeFileSync(join(shots, "print.png"), Buffer.from((await send("Page.captureScreenshot", {captureBeyondViewport: true}, sessionId)).data, "base64"));
        writeFileSync(join(shots, "print.pdf"), Buffer.from((await send("Page.printToPDF", {printBackground: true}, sessionId)).data, "base64"));
      }
      await send("Target.closeTarget", {targetId});
    }
  }
} catch (error) {
  failures.push(String(error));
}
await Promise.race([send("Browser.close").catch(() => {}), sleep(3000)]);
browser.kill("SIGKILL");
await sleep(200);
rmSync(profile, {recursive: true, force: true, maxRetries: 5});
for (const failure of failures) console.log("FAILED " + failure);
console.log(failures.length ? `${failures.length} failures` : `${Object.keys(expected).length} pages, 4 views each: all as expected`);
process.exit(failures.length ? 1 : 0);
