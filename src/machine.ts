/** The machine that figures were made on, in words. */
import { cpus } from "node:os";

export const processorName = (): string => cpus()[0]?.model.trim() || "unknown processor";

export function machineInWords(): string {
  return `${processorName()}, ${cpus().length} cores, Node ${process.version}`;
}
