/** An argument as one word of a command line that a person may copy into a shell. */
export function quoted(argument: string): string {
  return /^[\w./:@+-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
