/** How much may stay, as the command line says it: `--fit 80MB`, `--speed 1.5x`. */
import { inputError } from "../errors.ts";
import { type Option, text } from "./options.ts";

const units: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** Bytes. */
export const fitOption: Option<number | undefined> = quantity(
  text({ hint: "SIZE", description: "auto: most memory that weights may take, e.g. 80MB; implies --by auto" }),
  /^([0-9]+\.?[0-9]*|\.[0-9]+) ?(b|[kmg]i?b)$/i,
  (number, unit) => number * units[unit!.toLowerCase()]!,
  "a size like 80MB, 1.5GB or 512KiB",
);

/** Times as fast. */
export const speedOption: Option<number | undefined> = quantity(
  text({
    hint: "RATIO",
    description:
      "auto: how many times as fast to decode, e.g. 1.5x, as this device's profile predicts; implies --by auto",
  }),
  /^([0-9]+\.?[0-9]*|\.[0-9]+)()x?$/i,
  (number) => number,
  "a ratio like 1.5x",
);

function quantity(
  option: Option<string | undefined>,
  syntax: RegExp,
  value: (number: number, unit: string | undefined) => number,
  allowed: string,
): Option<number | undefined> {
  return {
    ...option,
    read: (raw, shown) => {
      if (raw === undefined) return undefined;
      const [, number, unit] = syntax.exec(String(raw)) ?? [];
      const read = number === undefined ? 0 : value(Number(number), unit);
      if (read > 0 && Number.isFinite(read)) return read;
      throw inputError("option-value", `${shown}: got "${raw}", expected ${allowed}`, `Give ${shown} ${allowed}.`);
    },
  };
}
