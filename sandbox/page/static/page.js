// Follows the stream of states and draws each.

import { clock, complain, doing, h, post, setText, sync, tick } from "./dom.js";
import { drawRecords } from "./records.js";
import { listen } from "./send.js";
import { drawDeadLetters, drawUploads, drawWaiting } from "./uploads.js";

const pulse = document.getElementById("pulse");

function draw(state) {
  if (state.problem) {
    say("trouble", state.problem);
    return;
  }
  say("live", "live");
  drawRecords(state);
  drawUploads(state);
  drawDeadLetters(state);
  drawWaiting(state);
  drawLedger(state.ledger);
  drawCalls(state.calls);
  drawWeather(state.weather);
  for (const [name, count] of Object.entries(state.counts))
    setText(document.getElementById(`count-${name}`), count ? String(count) : "");
}

function say(state, words) {
  pulse.dataset.state = state;
  setText(pulse, words);
}

function drawLedger(items) {
  document.getElementById("no-ledger").hidden = items.length > 0;
  document.getElementById("ledger-scroll").hidden = items.length === 0;
  sync(
    document.getElementById("ledger"),
    items,
    (item) => item.target,
    () => h("tr", {}, h("th", { scope: "row" }), ...Array.from({ length: 6 }, () => h("td"))),
    (row, item) => {
      const picture = item.width ? `${item.width} × ${item.height}, ${item.content_type}` : "";
      const changed = item.updated_at ? clock(Date.parse(item.updated_at) / 1000) : "";
      const cells = [
        item.target,
        item.status,
        item.blob_id ?? "",
        picture,
        item.key ?? "",
        changed,
        item.error_code ?? "",
      ];
      cells.forEach((text, number) => setText(row.children[number], String(text)));
      row.dataset.status = item.status;
      row.lastElementChild.title = item.error_message ?? "";
    },
  );
}

function drawCalls(calls) {
  document.getElementById("no-calls").hidden = calls.length > 0;
  sync(
    document.getElementById("calls"),
    calls,
    (call) => call.at + call.path,
    (call) =>
      h(
        "li",
        { title: `${call.method} ${call.path}` },
        h("time", {}, clock(call.at)),
        h("span", {}, meaning(call)),
        h("em"),
      ),
    (line, call) => {
      setText(line.querySelector("em"), call.status === null ? "no answer" : String(call.status));
      line.dataset.answer = call.status === null ? "none" : call.status < 400 ? "good" : "bad";
    },
  );
}

/** What a call is about, in words; the call itself is in the line's title. */
function meaning({ method, path }) {
  const image = /^(?:\/online(\d+)\/|.*)?.*\/v1\/(\w+)\/(\d+)\/Image$/i.exec(path);
  if (image)
    return `${method === "PUT" ? "picture of" : method} ${image[2].toLowerCase()} ${image[3]}${image[1] ? `, host ${image[1]}` : ""}`;
  if (path.includes("/state/")) return "where is the tenant?";
  if (/Authenticate$|oauth\/tokens$/.test(path)) return "log in";
  if (path.endsWith("/jwks")) return "the login’s signing keys";
  return `${method} ${path}`;
}

function drawWeather(weather) {
  for (const input of document.querySelectorAll("#weather input"))
    if (!input.disabled) input.checked = weather[input.name];
  setText(document.getElementById("host"), String(weather.host));
}

for (const input of document.querySelectorAll("#weather input")) {
  input.addEventListener("change", async () => {
    input.disabled = true;
    complain(null);
    try {
      await post(`/weather/${input.name}/${input.checked ? "on" : "off"}`);
    } catch (error) {
      complain(error);
      input.checked = !input.checked;
    }
    input.disabled = false;
    input.focus();
  });
}
document.getElementById("move").addEventListener(
  "click",
  doing(() => post("/tenant/move")),
);
document
  .getElementById("compare")
  .addEventListener("click", (event) => event.target === event.currentTarget && event.target.close());
listen();
setInterval(tick, 1000);

const stream = new EventSource("/events");
stream.addEventListener("message", (event) => draw(JSON.parse(event.data)));
stream.addEventListener("error", () => say("trouble", "the sandbox does not answer"));
