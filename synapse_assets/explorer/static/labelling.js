// What all labelling pages need: the token of a link, ids, and a queue that sends every answer until it is kept.
"use strict";

// A link may carry the token behind its #, which no server and no log sees.
function carriedToken() {
  return new URLSearchParams(location.hash.slice(1)).get("token");
}

{
  const carried = carriedToken();
  const login = document.getElementById("login");
  if (carried !== null) {
    history.replaceState(null, "", location.pathname + location.search);
    if (login !== null) {
      login.elements.token.value = carried;
      login.submit();
    }
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
    this.prefix = `labelling ${address} ${person} `;
    this.tab = newId();
    this.memory = new Map();
    this.trouble = "";
    this.loggedOut = false;
    this.sending = false;
    this.count = 0;
    addEventListener("storage", (event) => {
      if (event.key === null || event.key.startsWith(this.prefix)) this.changed(this);
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
      // Without room in the browser it is kept as long as this page is open.
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
    try {
      // What another tab has just added, that tab sends.
      const due = () => this.waiting().find(([, entry]) => entry.tab === this.tab || Date.now() - entry.at > 5000);
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
    if (status === 200 || [400, 404, 409, 413].includes(status)) {
      this.memory.delete(key);
      localStorage.removeItem(key);
      this.trouble = "";
      if (status === 200) this.kept(body, content);
      else this.refused(body, status, content);
      return true;
    }
    this.trouble = [401, 403, 429].includes(status) && content.error ? content.error : "The server does not answer.";
    this.loggedOut = status === 401;
    return false;
  }
}
