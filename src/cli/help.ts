/** The texts of --help: citty's layout of a command's options, and our list of commands with an example of each. */
import { stripVTControlCharacters } from "node:util";
import { renderUsage } from "citty";
import type { CommandEntry } from "./commands.ts";
import type { Command } from "./define.ts";
import { sharedOptions } from "./options.ts";
import { argsOf } from "./read-arguments.ts";

export function mainHelp(version: string, commands: readonly CommandEntry[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const listed = commands.flatMap(({ name, summary, example }) => [
    `  ${name.padEnd(width)}  ${summary}`,
    `  ${" ".repeat(width)}  $ ${example}`,
  ]);
  return [
    `refrain ${version}: make a language model fit the device it must run on.`,
    "",
    "Usage: refrain COMMAND [OPTIONS]",
    "",
    ...listed,
    "",
    'MODEL is a folder, a .gguf or .bin file, or hf:org/name[/file]. "refrain COMMAND --help" lists the options of a command.',
  ].join("\n");
}

/** `colored` where it goes to a terminal, `width` characters wide. */
export async function commandHelp(
  entry: CommandEntry,
  command: Command,
  { colored, width }: { readonly colored: boolean; readonly width: number },
): Promise<string> {
  const usage = await renderUsage(
    {
      meta: { name: entry.name, description: entry.summary },
      args: argsOf({ ...command.options, ...sharedOptions }),
    },
    { meta: { name: "refrain" } },
  );
  const text = `${wrapped(usage, width).trimEnd()}\n\nExample: ${entry.example}`;
  return colored ? text : stripVTControlCharacters(text);
}

/** citty writes every description in one line, behind four spaces, padded to the longest; here it goes on below itself. */
function wrapped(usage: string, width: number): string {
  return usage
    .split("\n")
    .flatMap((line) => {
      const [, head, description] = /^(\s+\S.*? {4})(\S.*)$/.exec(line.trimEnd()) ?? [];
      if (head === undefined || description === undefined) return [line.trimEnd()];
      const indent = stripVTControlCharacters(head).length;
      const rows = fill(description, Math.max(24, width - indent));
      return rows.map((row, i) => (i === 0 ? head : " ".repeat(indent)) + row);
    })
    .join("\n");
}

/** Words in rows of at most `width` characters, longer words in a row of their own. */
function fill(text: string, width: number): string[] {
  const rows: string[] = [];
  for (const word of text.split(" ")) {
    const last = rows.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) rows[rows.length - 1] = `${last} ${word}`;
    else rows.push(word);
  }
  return rows;
}
