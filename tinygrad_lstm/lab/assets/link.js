// The whole state in the fragment of a link: JSON, deflated, as base64 for addresses. It never reaches a server.

const WORDS = 300000; // characters of a state at most

async function through(stream, bytes) {
  const piped = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(piped).arrayBuffer());
}

export async function packed(state) {
  const bytes = await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(JSON.stringify(state)));
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return `#lab=${btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

// null where the fragment is none of ours; it throws where it is damaged.
export async function unpacked(fragment) {
  if (!fragment.startsWith("#lab=")) return null;
  const text = atob(fragment.slice(5).replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const json = new TextDecoder().decode(await through(new DecompressionStream("deflate-raw"), bytes));
  if (json.length > WORDS) throw new Error("too long");
  const state = JSON.parse(json);
  if (typeof state?.nets?.a !== "object" || state.nets.a === null) throw new Error("no net");
  return state;
}

// A cell's code that is not one of ours: it must not run because a link was opened.
export const codes = (state) => Object.values(state.nets).flatMap((net) => (net?.cell?.code ? [net.cell.code] : []));
