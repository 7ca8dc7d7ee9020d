/**
 * A table twice: as plain text for a terminal, and as Markdown for an issue or a README. Same columns, same rows.
 * Names of models and files come from outside, so control characters (a terminal obeys them) become spaces.
 */
import { columnsOf } from "./text-width.ts";

export interface Column {
  readonly title: string;
  /** Written behind the title, so that the cells are bare numbers. */
  readonly unit?: string;
  /** Numbers stand right, which is the default; names left. */
  readonly align?: "left" | "right";
}

export type Row = readonly string[];

/** Lines of text, without a line break at the end. Every row has a cell for each column. */
export function textTable(columns: readonly Column[], rows: readonly Row[]): string {
  const cells = [columns.map(heading), ...rows.map((row) => columns.map((_, i) => oneLine(row[i]!)))];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => columnsOf(row[i]!))));
  const lines = cells.map((row) =>
    row
      .map((cell, i) => {
        const space = " ".repeat(widths[i]! - columnsOf(cell));
        return columns[i]!.align === "left" ? cell + space : space + cell;
      })
      .join("  ")
      .trimEnd(),
  );
  return [lines[0]!, widths.map((width) => "─".repeat(width)).join("  "), ...lines.slice(1)].join("\n");
}

/** The same as a Markdown table. */
export function markdownTable(columns: readonly Column[], rows: readonly Row[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(columns.map((column) => escapeMarkdown(heading(column)))),
    line(columns.map((column) => (column.align === "left" ? ":--" : "--:"))),
    ...rows.map((row) => line(columns.map((_, i) => escapeMarkdown(oneLine(row[i]!))))),
  ].join("\n");
}

/** "size, MB" */
export function heading({ title, unit }: Column): string {
  return oneLine(unit === undefined ? title : `${title}, ${unit}`);
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim();
}

/** What would end the cell, or be read as markup. */
function escapeMarkdown(text: string): string {
  return text.replace(/[\\|`*_<>[\]]/g, "\\$&");
}
