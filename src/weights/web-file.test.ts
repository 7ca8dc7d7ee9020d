import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Progress } from "../progress.ts";
import { openWebFile } from "./web-file.ts";
import { windowBytes } from "./windowed-source.ts";

const bytes = Uint8Array.from({ length: windowBytes + 1000 }, (_, i) => (i * 2654435761) >>> 24);

/** Sends what a Range header asks for. */
const inParts: RequestListener = (request, response) => {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "")!;
  const begin = Number(first);
  const end = Math.min(bytes.length, Number(last) + 1);
  response.writeHead(206, { "Content-Range": `bytes ${begin}-${end - 1}/${bytes.length}`, ETag: etag });
  response.end(bytes.subarray(begin, end));
};
const whole: RequestListener = (_request, response) => {
  response.writeHead(200, { "Content-Length": bytes.length });
  response.end(bytes);
};
let etag = '"1"';

describe("files of the web", () => {
  let server: Server;
  let answer: RequestListener;
  let url: string;
  let requests: string[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      requests.push(request.headers.range ?? "whole");
      answer(request, response);
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`;
  });
  afterEach(() => {
    requests = [];
    etag = '"1"';
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it("reads an address in parts, where the server sends parts", async () => {
    answer = inParts;
    const file = await openWebFile(url);
    expect(file.size).toBe(bytes.length);
    expect(requests).toEqual([`bytes=0-${windowBytes - 1}`]);
    expect(await file.read(bytes.length - 1200, bytes.length)).toEqual(bytes.subarray(bytes.length - 1200));
    await file.close();
  });

  it("fetches an address as a whole, where the server sends no parts, and says how far it is", async () => {
    answer = whole;
    const progress: Progress[] = [];
    const file = await openWebFile(new URL(url), { onProgress: (step) => progress.push(step) });
    expect(await file.read(windowBytes - 5, windowBytes + 5)).toEqual(bytes.subarray(windowBytes - 5, windowBytes + 5));
    expect(requests.length).toBe(1);
    expect(progress.at(-1)).toEqual({
      label: "downloading",
      done: bytes.length,
      total: bytes.length,
      unit: "bytes",
    });
  });

  it("fetches the whole where the page may not see how long the file is", async () => {
    answer = (request, response) => {
      if (request.headers.range === undefined) return whole(request, response);
      response.writeHead(206);
      return response.end("part");
    };
    expect((await openWebFile(url)).size).toBe(bytes.length);
    expect(requests).toEqual([`bytes=0-${windowBytes - 1}`, "whole"]);
  });

  it("reads a File and bytes in memory", async () => {
    const file = await openWebFile(new File([bytes], "stories.gguf"));
    expect([file.name, file.size]).toEqual(["stories.gguf", bytes.length]);
    expect(await file.read(7, 9)).toEqual(bytes.subarray(7, 9));
    for (const source of [bytes, bytes.buffer]) {
      expect(await (await openWebFile(source)).read(7, 9)).toEqual(bytes.subarray(7, 9));
    }
  });

  it("says that there is no file", async () => {
    answer = (_request, response) => response.writeHead(404).end();
    await expect(openWebFile(url)).rejects.toMatchObject({ code: "file-missing", kind: "input" });
  });

  it("says what the server answered, or that there is none", async () => {
    answer = (_request, response) => response.writeHead(503).end();
    await expect(openWebFile(url)).rejects.toMatchObject({ code: "network", message: expect.stringContaining("503") });
    await expect(openWebFile("http://127.0.0.1:1/x.gguf")).rejects.toMatchObject({ code: "network" });
  });

  it("notices that a file changes while it is read", async () => {
    answer = inParts;
    const file = await openWebFile(url);
    etag = '"2"';
    await expect(file.read(0, bytes.length)).rejects.toMatchObject({ code: "file-changed" });
  });

  it("notices a part that is too short", async () => {
    answer = (_request, response) => {
      response.writeHead(206, { "Content-Range": `bytes 0-${windowBytes - 1}/${bytes.length}` });
      response.end("short");
    };
    await expect(openWebFile(url)).rejects.toMatchObject({ code: "truncated" });
  });

  it("rejects with the caller's own reason when the caller breaks off", async () => {
    answer = inParts;
    const controller = new AbortController();
    const file = await openWebFile(url, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(file.read(windowBytes, bytes.length)).rejects.toThrow("enough");
  });
});
