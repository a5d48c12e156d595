// What all labelling pages need: the token of a link, ids, and a queue that sends every answer until it is kept.
"use strict";

// A link may carry the token behind its #, which no server and no log sees.
function carriedToken() {
  return new URLSearchParams(location.hash.slice(1)).get("token");
}

{
  const carried = carriedToken();
  if (carried !== null) {
    const to = location.pathname + location.search;
    history.replaceState(null, "", to);
    // Also where somebody else is logged in: who opens their own link labels under their own name.
    const field = (name, value) => element("input", { type: "hidden", name, value });
    const login = element("form", { method: "post", action: "/labelling/login" }, field("token", carried), field("to", to));
    document.body.append(login);
    login.submit();
  }
  // Such a link to the page that is open already loads nothing by itself.
  addEventListener("hashchange", () => carriedToken() !== null && location.reload());
}

// crypto.randomUUID exists over https and on this machine only.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// An element of a tag with properties, attributes (in `attributes`) and children; texts are never read as HTML.
function element(tag, { attributes = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// What is asked of the server, as JSON. Gives {status, content}; status 0 where no answer came.
async function asked(address, options = {}) {
  try {
    const answer = await fetch(address, { ...options, headers: { Accept: "application/json", ...options.headers } });
    const content = await answer.json().catch(() => ({}));
    return { status: answer.status, content };
  } catch {
    return { status: 0, content: {} };
  }
}

// Answers that the server has not acknowledged yet. Each is an entry of localStorage, so it outlives a reload, a closed tab and a lost
// server, and other tabs see it; it is sent under the same answer_id until it is kept or refused.
class AnswerQueue {
  // address: where answers are posted. proof: shows that one of our pages posts. kept(body, reply), refused(body, status, reply) and
  // changed(queue) are called as things happen.
  constructor(address, person, proof, { kept, refused, changed }) {
    Object.assign(this, { address, person, proof, kept, refused, changed });
    // Encoded: "Ann" is not to send what "Ann Lee" has said.
    this.prefix = `labelling ${address} ${encodeURIComponent(person)} `;
    this.tab = newId();
    this.memory = new Map();
    this.trouble = "";
    this.loggedOut = false;
    this.sending = false;
    this.putOff = new Set();
    this.count = 0;
    addEventListener("storage", (event) => {
      if (event.key === null || event.key.startsWith(this.prefix)) this.changed(this);
    });
    addEventListener("beforeunload", (event) => {
      if ([...this.memory.values()].some(({ isOnlyHere }) => isOnlyHere)) event.preventDefault();
    });
    setInterval(() => this.send(), 2000);
  }

  // Adds an answer and begins to send it.
  add(body) {
    const entry = { at: Date.now(), number: this.count++, tab: this.tab, body };
    const key = this.prefix + body.answer_id;
    this.memory.set(key, entry);
    try {
      localStorage.setItem(key, JSON.stringify(entry));
    } catch {
      // Without room in the browser it is kept as long as this page is open, which asks before it closes.
      entry.isOnlyHere = true;
    }
    this.changed(this);
    this.send();
  }

  // The answers that wait, first to last, of all tabs.
  waiting() {
    const entries = new Map(this.memory);
    for (let at = 0; at < localStorage.length; at++) {
      const key = localStorage.key(at);
      if (!key.startsWith(this.prefix) || entries.has(key)) continue;
      try {
        entries.set(key, JSON.parse(localStorage.getItem(key)));
      } catch {
        localStorage.removeItem(key);
      }
    }
    return [...entries.entries()].filter(([, entry]) => entry).sort(([, a], [, b]) => a.at - b.at || a.number - b.number);
  }

  async send() {
    if (this.sending) return;
    this.sending = true;
    this.putOff.clear();
    try {
      // What another tab has just added, that tab sends.
      const isDue = ({ tab, at, body }) => (tab === this.tab || Date.now() - at > 5000) && !this.putOff.has(body.item);
      const due = () => this.waiting().find(([, entry]) => isDue(entry));
      for (let next = due(); next !== undefined; next = due()) {
        if (!(await this.deliver(...next))) break;
      }
    } finally {
      this.sending = false;
      this.changed(this);
    }
  }

  // Sends one answer; whether the next may follow.
  async deliver(key, { body }) {
    const headers = { "Content-Type": "application/json", "X-CSRF-Token": this.proof };
    const { status, content } = await asked(this.address, { method: "POST", body: JSON.stringify(body), headers });
    // Only what our server says it will never keep is given up. All else, a 404 of a server without this dataset too, may pass.
    if (status === 200 || content.refused) {
      this.memory.delete(key);
      localStorage.removeItem(key);
      if (!this.putOff.size) this.trouble = "";
      if (status === 200) this.kept(body, content);
      else this.refused(body, status, content);
      return true;
    }
    this.trouble = content.error || "The server does not answer.";
    this.loggedOut = status === 401;
    // What waits about other items need not wait for it.
    this.putOff.add(body.item);
    return ![0, 401, 403].includes(status);
  }
}

// Says in a part of the page whether all answers are saved.
function sayWhetherSaved(part, queue) {
  const { trouble, loggedOut } = queue;
  const { length } = queue.waiting();
  const isTrouble = Boolean(length && trouble);
  const text = isTrouble ? `${length} not saved yet, trying again. ${trouble}` : length ? "saving ..." : "saved";
  if (part.dataset.text === text) return;
  part.dataset.text = text;
  part.classList.toggle("wrong", isTrouble);
  const login = element("a", { href: location.pathname + location.search, textContent: "Log in" });
  part.replaceChildren(text, ...(isTrouble && loggedOut ? [" ", login] : []));
}
