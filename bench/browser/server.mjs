/**
 * A small web server on 127.0.0.1: files and folders at addresses of our choice, parts of files (HTTP ranges), and on
 * request the two headers that make a page cross-origin isolated, without which no browser shares memory between threads.
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";

const types = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/**
 * @param {object} options
 * @param {Readonly<Record<string, string>>} options.paths file or folder by the beginning of the address, e.g. "/wasm/"
 * @param {Readonly<Record<string, string>>} [options.texts] what stands at other addresses, by address
 * @param {boolean} [options.isolated] send the headers of cross-origin isolation
 * @param {boolean} [options.ranges] answer Range requests with the part asked for (the default), or with the whole file
 * @returns {Promise<{ url: string, requests: string[], close(): Promise<void> }>} `requests`: each as "path range"
 */
export async function serve({ paths, texts = {}, isolated = false, ranges = true }) {
  const requests = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    requests.push(`${path} ${request.headers.range ?? ""}`.trimEnd());
    for (const [name, value] of Object.entries(isolated ? isolation : {})) response.setHeader(name, value);
    const text = texts[path];
    const range = ranges ? request.headers.range : undefined;
    const done = text === undefined ? sendFile(response, fileAt(paths, path), range) : sendText(response, path, text);
    // Who went away in the middle wanted no more.
    done.catch(() => response.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function fileAt(paths, path) {
  if (paths[path] !== undefined) return paths[path];
  const folder = Object.keys(paths).find((prefix) => prefix.endsWith("/") && path.startsWith(prefix));
  return folder && join(paths[folder], normalize(`/${path.slice(folder.length)}`));
}

async function sendText(response, path, text) {
  response.setHeader("Content-Type", types[extname(path)] ?? "text/html");
  response.end(text);
}

async function sendFile(response, file, range) {
  const stats = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (!stats?.isFile()) {
    response.writeHead(404).end();
    return;
  }
  const [, begin, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
  const start = begin === undefined ? 0 : Number(begin);
  const end = last === undefined ? stats.size : Math.min(stats.size, Number(last) + 1);
  response.writeHead(begin === undefined ? 200 : 206, {
    "Content-Type": types[extname(file)] ?? "application/octet-stream",
    "Content-Length": end - start,
    ETag: `"${stats.size}-${stats.mtimeMs}"`,
    ...(begin === undefined ? {} : { "Content-Range": `bytes ${start}-${end - 1}/${stats.size}` }),
  });
  if (end <= start) {
    response.end();
    return;
  }
  await pipeline(createReadStream(file, { start, end: end - 1 }), response);
}
