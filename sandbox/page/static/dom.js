// Helpers that build the page from states. Every text is set through textContent.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  svg.append(use);
  return svg;
}

/** Makes the parent's children match the items. Children that stay keep focus and animations. */
export function sync(parent, items, keyOf, create, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = old.get(key);
    if (child) old.delete(key);
    else {
      child = create(item);
      child.dataset.key = key;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    update(child, item);
  }
  for (const child of old.values()) child.remove();
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export async function post(path, body) {
  const answer = await fetch(path, { method: "POST", body });
  const document_ = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(document_.problem || `The page responded with ${answer.status}.`);
  return document_;
}

export function showError(error) {
  document.getElementById("alert").textContent = error ? error.message : "";
}

/** A click handler that runs the action and shows its error. */
export function handleClick(action) {
  return async (event) => {
    const button = event.currentTarget;
    showError(null);
    button.disabled = true;
    try {
      await action(event);
    } catch (error) {
      showError(error);
    } finally {
      button.disabled = false;
    }
  };
}

/** "for person 1", for the end of a name. */
export function formatPurpose(target) {
  return target ? `for ${formatTarget(target)}` : "without a target";
}

export function formatTarget(target) {
  const [type, id] = target.split("#");
  return `${type} ${id}`;
}

export function formatBytes(bytes) {
  return bytes < 1000
    ? `${bytes} bytes`
    : bytes < 1e6
      ? `${Math.round(bytes / 1000)} kB`
      : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function formatSeconds(value) {
  return value < 0.1
    ? "0.1 s"
    : value < 10
      ? `${value.toFixed(1)} s`
      : value < 100
        ? `${Math.round(value)} s`
        : `${Math.round(value / 60)} min`;
}

export function formatCount(count) {
  return count.toLocaleString("en");
}

export function formatTime(at) {
  return new Date(at * 1000).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hour12: false,
  });
}

/** Shows a countdown to a time; tick() updates it. */
export function countDown(element, at) {
  element.dataset.until = at;
  updateCountdown(element);
}

function updateCountdown(element) {
  const left = Math.max(0, Math.round(Number(element.dataset.until) - Date.now() / 1000));
  const words = left === 0 ? "now" : left < 100 ? `in ${left} s` : `in ${Math.floor(left / 60)} min ${left % 60} s`;
  setText(element, words);
}

export function tick() {
  document.querySelectorAll("[data-until]").forEach(updateCountdown);
}
