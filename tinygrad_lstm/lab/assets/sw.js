// A second visit needs no network: every file of the site is kept. The address of this script carries the version.
/* global self, caches, clients */

const name = `lab-${new URL(self.location.href).searchParams.get("v")}`;
const MANIFEST = "py/manifest.json";

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(name);
      const response = await fetch(MANIFEST, { cache: "no-cache" });
      const { files } = await response.clone().json();
      await cache.put(MANIFEST, response);
      const wanted = ["./", ...Object.keys(files).filter((file) => file !== MANIFEST)];
      for (const file of wanted) await cache.add(new Request(file, { cache: "no-cache" }));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const old of await caches.keys()) if (old.startsWith("lab-") && old !== name) await caches.delete(old);
      await self.clients.claim();
    })(),
  );
});

async function answer(request) {
  const cache = await caches.open(name);
  const kept = () => cache.match(request, { ignoreSearch: true });
  if (request.url.endsWith(MANIFEST)) {
    try {
      return await fetch(request);
    } catch {
      return (await kept()) ?? Response.error();
    }
  }
  return (await kept()) ?? fetch(request);
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && request.url.startsWith(self.registration.scope)) event.respondWith(answer(request));
});
