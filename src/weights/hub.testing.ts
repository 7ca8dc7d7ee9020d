/**
 * A small imitation of the Hugging Face hub on 127.0.0.1: the parts of its API that we use, its redirect of large files to
 * a storage server (here the same server by another name, "localhost"), and its faults, made to order.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeHub {
  readonly url: string;
  readonly commit: string;
  /** Every request as "METHOD path [range]", oldest first. */
  readonly requests: string[];
  /** Requests to storage that brought an Authorization header along; there must be none. */
  readonly leaks: string[];
  /** What goes wrong; tests set it. */
  fault: {
    /** Cut the connection after so many bytes of a file's body, so many times. */
    cutAfter?: number;
    cuts?: number;
    /** Answer Range requests with the whole file. */
    noRanges?: boolean;
    /** Send other bytes than the listing promised. */
    damage?: boolean;
    /** Answer everything so. */
    status?: number;
    errorCode?: string;
    /** Require this token. */
    token?: string;
  };
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: Buffer | string;
}

/** Files above this many bytes are "large": named by sha256 and served by the storage server. */
const largeBytes = 1000;

/** `repository` is "org/name", or "datasets/org/name"; `branch` is what its only commit is called. */
export async function startFakeHub(
  repository: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  branch = "main",
): Promise<FakeHub> {
  const api = repository.startsWith("datasets/") ? `/api/${repository}` : `/api/models/${repository}`;
  const commit = "c0ffee".padEnd(40, "0");
  const contents = new Map(Object.entries(files).map(([path, content]) => [path, Buffer.from(content)]));
  const server = createServer((request, response) => {
    hub.requests.push([request.method, request.url, request.headers.range].filter(Boolean).join(" "));
    give(answer(request), response);
  });
  await new Promise<void>((done) => server.listen(0, done));
  const { port } = server.address() as AddressInfo;
  const hub: FakeHub = {
    url: `http://127.0.0.1:${port}`,
    commit,
    requests: [],
    leaks: [],
    fault: {},
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  return hub;

  function answer({ url, headers }: IncomingMessage): Answer {
    const { status, errorCode, token } = hub.fault;
    const { pathname } = new URL(url ?? "", hub.url);
    const [, storedPath] = /^\/storage\/(.+)$/.exec(pathname) ?? [];
    if (storedPath !== undefined) {
      if (headers.authorization !== undefined) hub.leaks.push(pathname);
      return content(contents.get(storedPath)!, headers.range);
    }
    if (status !== undefined) return refusal(status, errorCode);
    if (token !== undefined && headers.authorization !== `Bearer ${token}`) return refusal(401);

    const [, revision] = new RegExp(`^${api}/revision/(.+)$`).exec(pathname) ?? [];
    if (revision !== undefined) {
      if (decodeURIComponent(revision) !== branch && revision !== commit) return refusal(404, "RevisionNotFound");
      return json({ _id: "1", id: repository, sha: commit, lastModified: "2024-01-01T00:00:00.000Z" });
    }
    const [, folder] = new RegExp(`^${api}/tree/${commit}/?(.*)$`).exec(pathname) ?? [];
    if (folder !== undefined) return listing(folder);
    const [, path] = new RegExp(`^/${repository}/resolve/${commit}/(.+)$`).exec(pathname) ?? [];
    if (path === undefined) return refusal(404, "RepoNotFound");
    const file = contents.get(decodeURIComponent(path));
    if (file === undefined) return refusal(404, "EntryNotFound");
    if (file.length <= largeBytes) return content(file, headers.range);
    return { status: 302, headers: { location: `http://localhost:${port}/storage/${path}` } };
  }

  function refusal(status: number, code = ""): Answer {
    return { ...json({ error: "refused" }), status, headers: { "x-error-code": code } };
  }

  function json(value: unknown): Answer {
    return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
  }

  /** The entries of one folder, as the hub's tree API gives them. */
  function listing(folder: string): Answer {
    const prefix = folder === "" ? "" : `${folder}/`;
    const inside = [...contents].filter(([path]) => path.startsWith(prefix));
    if (inside.length === 0) return refusal(404, "EntryNotFound");
    const entries = inside.map(([path, file]) => {
      const [first, ...deeper] = path.slice(prefix.length).split("/");
      if (deeper.length > 0) return { type: "directory", path: prefix + first, size: 0, oid: "0".repeat(40) };
      const size = file.length;
      const oid = createHash("sha1").update(`blob ${size}\0`).update(file).digest("hex");
      const sha256 = createHash("sha256").update(file).digest("hex");
      return {
        type: "file",
        path,
        size,
        oid,
        ...(size > largeBytes ? { lfs: { oid: sha256, size, pointerSize: 130 } } : {}),
      };
    });
    return json(entries);
  }

  function content(file: Buffer, range: string | undefined): Answer {
    const [, first, last] = (hub.fault.noRanges ? null : /^bytes=(\d+)-(\d*)$/.exec(range ?? "")) ?? [];
    const begin = Number(first ?? 0);
    if (begin > 0 && begin >= file.length)
      return { status: 416, headers: { "content-range": `bytes */${file.length}` } };
    const end = last ? Math.min(Number(last) + 1, file.length) : file.length;
    const body = Buffer.from(file.subarray(begin, end));
    if (hub.fault.damage) body[0]! ^= 1;
    const headers = { "content-length": body.length, etag: '"of-the-storage"' };
    if (first === undefined || file.length === 0) return { status: 200, headers, body };
    const contentRange = { "content-range": `bytes ${begin}-${end - 1}/${file.length}` };
    return { status: 206, headers: { ...headers, ...contentRange }, body };
  }

  function give({ status, headers, body = "" }: Answer, response: ServerResponse): void {
    const { cutAfter, cuts = 0 } = hub.fault;
    response.writeHead(status, headers);
    if (typeof body !== "string" && cutAfter !== undefined && cutAfter < body.length && cuts > 0) {
      hub.fault.cuts = cuts - 1;
      response.write(body.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 20));
    } else response.end(body);
  }
}
