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

/** `colored` where it goes to a terminal. */
export async function commandHelp(entry: CommandEntry, command: Command, colored: boolean): Promise<string> {
  const usage = await renderUsage(
    {
      meta: { name: entry.name, description: entry.summary },
      args: argsOf({ ...command.options, ...sharedOptions }),
    },
    { meta: { name: "refrain" } },
  );
  const text = `${usage.trimEnd()}\n\nExample: ${entry.example}`;
  return colored ? text : stripVTControlCharacters(text);
}
