// Carries messages to the Session and its answers back: to a worker that runs Python, or to the learner's own server.

export class Fault extends Error {
  constructor({ message, line, field }) {
    super(message);
    this.line = line ?? null;
    this.field = field ?? null;
  }
}

const settled = (reply) => {
  if (reply.error) throw new Fault(reply.error);
  return reply.ok;
};

export const engine = () => document.querySelector("meta[name=lab-engine]").content;

export function connect(progress, gone) {
  return engine() === "local" ? server(gone) : python(progress, gone);
}

// The token comes once, in the address, and does not stay there.
function credentials() {
  const address = new URL(location.href);
  const given = address.searchParams.get("token");
  if (given) {
    sessionStorage.setItem("lab-token", given);
    address.searchParams.delete("token");
    history.replaceState(null, "", address);
  }
  if (!sessionStorage.getItem("lab-session")) sessionStorage.setItem("lab-session", crypto.randomUUID());
  return { token: sessionStorage.getItem("lab-token") ?? "", tab: sessionStorage.getItem("lab-session") };
}

function server(gone) {
  const { token, tab } = credentials();
  let last = 0;
  async function send(does, values = {}) {
    last += 1;
    let response;
    try {
      response = await fetch("api", {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}`, "Lab-Session": tab },
        body: JSON.stringify({ id: last, do: does, ...values }),
      });
    } catch {
      throw new Fault({ message: gone() });
    }
    return settled(await response.json());
  }
  return { send, restart: null };
}

function python(progress, gone) {
  const waiting = new Map();
  let worker,
    last = 0;
  function start() {
    worker = new Worker("worker.js", { type: "module" });
    worker.onmessage = ({ data }) => {
      if (data.progress) {
        progress(data.progress);
        return;
      }
      const reply = JSON.parse(data.reply);
      const asked = waiting.get(data.id);
      waiting.delete(data.id);
      asked?.(reply);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      end(event.message || gone());
    };
  }
  function end(message) {
    for (const asked of waiting.values()) asked({ error: { message } });
    waiting.clear();
  }
  function send(does, values = {}) {
    last += 1;
    const id = last;
    const replied = new Promise((resolve) => waiting.set(id, resolve));
    worker.postMessage({ id, text: JSON.stringify({ id, do: does, ...values }) });
    return replied.then(settled);
  }
  function restart() {
    worker.terminate();
    end(gone());
    start();
  }
  start();
  return { send, restart };
}
