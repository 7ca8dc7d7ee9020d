import { describe, expect, it } from "vitest";
import { commands } from "./commands.ts";
import { dummies } from "./dummy.testing.ts";
import { commandLine } from "./terminal.testing.ts";

const refrain = (...words: string[]) => commandLine(words, { commands: dummies });

describe("the frame", () => {
  it("runs a command with its checked values", async () => {
    expect(await refrain("echo", "M", "--threads", "2")).toEqual({
      code: 0,
      out: "streamed M 7\n",
      err: "echoing M\n",
    });
    expect(await refrain("echo", "M", "-n", "3", "--quiet")).toEqual({ code: 0, out: "streamed M 3\n", err: "" });
  });

  it("prints one JSON document with --json, and nothing else", async () => {
    const { code, out, err } = await refrain("echo", "M", "hello", "--json", "--weights=q4", "--threads", "2");
    expect(JSON.parse(out)).toEqual({ model: "M", prompt: "hello", maxTokens: 7, threads: "2", weights: "q4" });
    expect({ code, err }).toEqual({ code: 0, err: "" });
  });

  it("calls a command without its JSON document a bug", async () => {
    expect((await refrain("mute", "--json")).code).toBe(1);
    expect((await refrain("mute")).code).toBe(0);
  });

  it("prints the version of the package", async () => {
    const { code, out } = await refrain("--version");
    expect(code).toBe(0);
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it("lists every command with an example", async () => {
    const { code, out } = await refrain("--help");
    expect(code).toBe(0);
    for (const { summary, example } of dummies) {
      expect(out).toContain(summary);
      expect(out).toContain(`$ ${example}`);
    }
    expect(await refrain("-h")).toEqual({ code, out, err: "" });
  });

  it("shows the help on stderr where there is no command", async () => {
    const { code, out, err } = await refrain();
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain("Usage: refrain COMMAND");
  });

  it("shows the options of a command and an example, without its arguments, and does not run it", async () => {
    const { code, out, err } = await refrain("echo", "--help");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    for (const part of [
      "<MODEL> [PROMPT]",
      "--weights=<f32|f16|q8|q4>",
      "-n, --max-tokens=<N>",
      "(default 7)",
      "--json",
    ]) {
      expect(out).toContain(part);
    }
    expect(out).toContain("Example: refrain echo X\n");
    expect(out).not.toContain("\u001b");
  });

  it.each([
    [["ehco", "M"], 'unknown command "ehco"', 'Did you mean "refrain echo"? The commands are echo, fail, work, mute.'],
    [["zzzzzz"], 'unknown command "zzzzzz"', "The commands are"],
    [["--quiet", "echo"], "refrain: unknown option --quiet", "Options stand behind the command"],
    [["echo", "M", "--thread", "2"], "refrain echo: unknown option --thread", "Did you mean --threads?"],
    [["echo", "M", "--maxTokens", "2"], "unknown option --maxTokens", "Did you mean --max-tokens?"],
    [["echo", "M", "-x"], "unknown option -x", '"refrain echo --help" lists all options.'],
    [["echo", "M", "--no-quiet"], "unknown option --no-quiet", "lists all options."],
    [["echo"], "refrain echo: MODEL is missing: a model", "lists all options."],
    [["echo", "M", "p", "q"], '"q" is one argument too many', "lists all options."],
    [["echo", "M", "--threads"], "--threads needs a value, but nothing follows", "Write --threads N"],
    [["echo", "M", "--threads", "--json"], '--threads needs a value, but "--json" follows', "Write --threads N"],
    [["echo", "M", "--json=yes"], "--json takes no value", "lists all options."],
    [["echo", "M", "-n", "1", "--max-tokens", "2"], "--max-tokens is given twice", "Give it once."],
    [
      ["echo", "M", "--threads", "two"],
      '--threads: got "two", expected a whole number from 1 to 256',
      "Give --threads",
    ],
    [["echo", "M", "--weights", "q5"], '--weights: got "q5", expected one of f32, f16, q8, q4', "Give --weights"],
    [["fail", "input"], "the input is?[31m bad", "Mend it."],
  ])("exits with 2 on %j", async (words, message, help) => {
    const { code, out, err } = await refrain(...words);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^error: .*\nhelp: .*\n$/);
    expect(err.split("\n")[0]).toContain(message);
    expect(err.split("\n")[1]).toContain(help);
  });

  it("takes everything behind -- as it is", async () => {
    const { code, out } = await refrain("echo", "--json", "--", "M", "--threads");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ model: "M", prompt: "--threads" });
  });

  it("exits with 1 where the work failed, and shows the stack and its cause with --debug only", async () => {
    expect(await refrain("fail", "failure")).toEqual({ code: 1, out: "", err: "error: it failed\n" });
    const { code, err } = await refrain("fail", "failure", "--debug");
    expect(code).toBe(1);
    expect(err).toMatch(
      /^error: it failed\n\nRefrainError: it failed\n {4}at [\s\S]*\ncaused by Error: the disk\n {4}at /,
    );
  });

  it("calls everything else a bug in Refrain", async () => {
    const { code, err } = await refrain("fail", "bug");
    expect(code).toBe(1);
    expect(err).toMatch(
      /^error: this is a bug in Refrain: TypeError: x is not a function\nhelp: Please report .*--debug.\n$/,
    );
    expect((await refrain("fail", "bug", "--debug")).err).toContain("dummy.testing.ts");
  });
});

describe("the commands of Refrain", () => {
  it.each(commands.map((entry) => [entry.name, entry] as const))(
    "%s loads and has its example",
    async (name, entry) => {
      expect(entry.example.startsWith(`refrain ${name} `)).toBe(true);
      expect(typeof (await entry.load()).run).toBe("function");
    },
  );
});
