import { EventEmitter } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { Input, type Lines } from "./input.ts";

class Screen extends EventEmitter {
  readonly isTTY: boolean;
  readonly columns = 80;
  raw = "";

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  write(text: string): boolean {
    this.raw += text;
    return true;
  }

  get text(): string {
    return stripVTControlCharacters(this.raw).replaceAll("\r", "");
  }
}

/** A person at a terminal: `keys` are pressed one chunk after the other. */
function person() {
  const screen = new Screen(true);
  const keyboard = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} });
  const stop = new AbortController();
  const lines = new Input(() => keyboard, screen).lines(stop.signal);
  const press = async (...keys: string[]) => {
    for (const key of keys) {
      keyboard.write(key);
      await sleep(5);
    }
  };
  return { screen, lines, press, stop };
}

const ctrlC = "\u0003";
const ctrlD = "\u0004";

/** Whether the next line comes at all, and what it is. */
async function asked(lines: Lines): Promise<{ line: () => string | undefined | "waiting" }> {
  let line: string | undefined | "waiting" = "waiting";
  void lines.next().then((came) => (line = came));
  await sleep(5);
  return { line: () => line };
}

describe("lines of a person", () => {
  it("are asked for, and end with Ctrl-D", async () => {
    const { screen, lines, press } = person();
    const first = await asked(lines);
    expect(screen.text).toBe("> ");
    await press("hello\r");
    expect(first.line()).toBe("hello");
    const second = await asked(lines);
    await press(ctrlD);
    expect(second.line()).toBeUndefined();
    expect(screen.text.endsWith("\n")).toBe(true);
  });

  it("are kept, unseen, while something else goes on", async () => {
    const { screen, lines, press } = person();
    const first = await asked(lines);
    await press("one\r");
    expect(first.line()).toBe("one");
    screen.raw = "";
    await press("two\rthr");
    expect(screen.text).toBe("");
    expect((await asked(lines)).line()).toBe("two");
    expect(screen.text).toBe("> two\n");
    const third = await asked(lines);
    expect(screen.text).toContain("> thr");
    await press("ee\r");
    expect(third.line()).toBe("three");
    lines.close();
  });

  it("are emptied by Ctrl-C where something stands in them; the second at an empty line ends", async () => {
    const { screen, lines, press } = person();
    const first = await asked(lines);
    await press("nonsense", ctrlC, "sense\r");
    expect(first.line()).toBe("sense");
    const second = await asked(lines);
    await press(ctrlC);
    expect(screen.text).toContain("(Ctrl-C again or Ctrl-D leaves)");
    expect(second.line()).toBe("waiting");
    await press("not yet\r");
    expect(second.line()).toBe("not yet");
    const third = await asked(lines);
    await press(ctrlC);
    expect(third.line()).toBe("waiting");
    await press(ctrlC);
    expect(third.line()).toBeUndefined();
  });

  it("tell of Ctrl-C between two questions, after which one more is enough to end", async () => {
    const { lines, press } = person();
    let interrupts = 0;
    lines.onInterrupt = () => interrupts++;
    await press(ctrlC);
    expect(interrupts).toBe(1);
    const next = await asked(lines);
    await press(ctrlC);
    expect(next.line()).toBeUndefined();
  });

  it("end when everything ends", async () => {
    const { lines, stop } = person();
    const next = await asked(lines);
    stop.abort();
    await sleep(5);
    expect(next.line()).toBeUndefined();
  });
});

describe("a pipe", () => {
  it("gives its lines without a word, those that came early too", async () => {
    const screen = new Screen(false);
    const lines = new Input(() => Readable.from(["one\ntw", "o\n\nlast"]), screen).lines(new AbortController().signal);
    const read: (string | undefined)[] = [];
    do {
      await sleep(2);
      read.push(await lines.next());
    } while (read.at(-1) !== undefined);
    expect(read).toEqual(["one", "two", "", "last", undefined]);
    expect(screen.raw).toBe("");
  });

  it("gives its whole text, characters cut in two included", async () => {
    const bytes = Buffer.from("¿Qué?\n");
    const input = new Input(() => Readable.from([bytes.subarray(0, 1), bytes.subarray(1)]), new Screen(false));
    expect(await input.readAll(new AbortController().signal)).toBe("¿Qué?\n");
  });

  it("is not waited for when everything ends", async () => {
    const stop = new AbortController();
    const reading = new Input(() => new PassThrough(), new Screen(false)).readAll(stop.signal);
    stop.abort(new Error("Interrupted"));
    await expect(reading).rejects.toThrow("Interrupted");
  });

  it("is refused where it does not end", async () => {
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(8e6);
      })(),
    );
    const reading = new Input(() => endless, new Screen(false)).readAll(new AbortController().signal);
    await expect(reading).rejects.toMatchObject({ code: "input-too-large" });
  });
});
