// Reads the stream of states and draws each of them.

import { formatCount, formatTime, showError, handleClick, h, post, setText, sync, tick } from "./dom.js";
import { drawRecords } from "./records.js";
import { listen } from "./send.js";
import { drawDeadLetters, drawUploads, drawWaiting } from "./uploads.js";

const pulse = document.getElementById("pulse");

function draw(state) {
  if (state.problem) {
    showPulse("failed", state.problem);
    return;
  }
  showPulse("live", "live");
  drawRecords(state);
  drawUploads(state);
  drawDeadLetters(state);
  drawWaiting(state);
  drawLedger(state.ledger);
  drawCalls(state.calls);
  drawFaults(state.faults);
  for (const [name, count] of Object.entries(state.counts))
    setText(document.getElementById(`count-${name}`), count ? formatCount(count) : "");
  showNote("records-note", state.counts.records > state.records.length, "The records that changed last, and four examples.");
  showNote("dead-note", state.counts.dead > state.dead_letters.length, `The ${state.dead_letters.length} newest.`);
  showNote("ledger-note", state.ledger.length > 0, `The ${state.ledger.length} latest changes.`);
}

function showNote(id, shown, words) {
  document.getElementById(id).hidden = !shown;
  setText(document.getElementById(id), words);
}

function showPulse(state, words) {
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
      const changed = item.updated_at ? formatTime(Date.parse(item.updated_at) / 1000) : "";
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
    (call) => call.number,
    (call) =>
      h(
        "li",
        { title: `${call.method} ${call.path}` },
        h("time", {}, formatTime(call.at)),
        h("span", {}, describeCall(call)),
        h("em"),
      ),
    (line, call) => {
      setText(line.querySelector("em"), call.status === null ? "no response" : String(call.status));
      line.dataset.response = call.status === null ? "none" : call.status < 400 ? "good" : "bad";
    },
  );
}

/** Describes a call in words. The line's title has the call itself. */
function describeCall({ method, path }) {
  const image = /^(?:\/online(\d+)\/|.*)?.*\/v1\/(\w+)\/(\d+)\/Image$/i.exec(path);
  if (image)
    return `${method === "PUT" ? "picture of" : method} ${image[2].toLowerCase()} ${image[3]}${image[1] ? `, host ${image[1]}` : ""}`;
  if (path.includes("/state/")) return "tenant state";
  if (/Authenticate$|oauth\/tokens$/.test(path)) return "log in";
  if (path.endsWith("/jwks")) return "signing keys";
  return `${method} ${path}`;
}

function drawFaults(faults) {
  for (const input of document.querySelectorAll("#faults input"))
    if (!input.disabled) input.checked = faults[input.name];
  setText(document.getElementById("host"), String(faults.host));
}

for (const input of document.querySelectorAll("#faults input")) {
  input.addEventListener("change", async () => {
    input.disabled = true;
    showError(null);
    try {
      await post(`/faults/${input.name}/${input.checked ? "on" : "off"}`);
    } catch (error) {
      showError(error);
      input.checked = !input.checked;
    }
    input.disabled = false;
    input.focus();
  });
}
document.getElementById("move").addEventListener(
  "click",
  handleClick(() => post("/tenant/move")),
);
document
  .getElementById("compare")
  .addEventListener("click", (event) => event.target === event.currentTarget && event.target.close());
listen();
setInterval(tick, 1000);

const stream = new EventSource("/events");
stream.addEventListener("message", (event) => draw(JSON.parse(event.data)));
stream.addEventListener("error", () => showPulse("failed", "the sandbox does not respond"));
