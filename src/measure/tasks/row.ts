/** One row of a data set, of which nothing is known until it is asked for: every field is checked, and errors say where. */
import { inputError, type RefrainError } from "../../errors.ts";
import { shorten } from "../../weights/json-reader.ts";
import type { Choices } from "./item.ts";

/** More choices than any task has. */
const MOST_CHOICES = 64;

export class Row {
  /** File and line, for messages. */
  readonly place: string;
  private readonly values: Readonly<Record<string, unknown>>;

  constructor(place: string, values: Readonly<Record<string, unknown>>) {
    this.place = place;
    this.values = values;
  }

  /** `field` may name a field of a field: "choices.text". */
  has(field: string): boolean {
    return this.find(field) !== undefined;
  }

  /** A text with at least one character that is not white space. Error: `task-field`, as in all that follow. */
  text(field: string): string {
    const value = this.find(field);
    if (typeof value !== "string" || value.trim() === "") throw this.error(field, "a text that is not blank");
    return value;
  }

  /** A text that may be empty. */
  anyText(field: string): string {
    const value = this.find(field);
    if (typeof value !== "string") throw this.error(field, "a text");
    return value;
  }

  /** `count` texts, or from two to 64. In CSV they are written as a JSON list. */
  texts(field: string, count?: number): string[] {
    const found = this.find(field);
    const value = typeof found === "string" ? parseList(found) : found;
    const isList = Array.isArray(value) && value.every((text) => typeof text === "string" && text.trim() !== "");
    const enough = isList && (count === undefined ? value.length >= 2 : value.length === count);
    if (!enough || value.length > MOST_CHOICES) throw this.error(field, `a list of ${count ?? "2 to 64"} texts`);
    return value as string[];
  }

  /** A whole number from `first` to `first + count - 1`, as a number or in digits, counted from 0. */
  index(field: string, count: number, first = 0): number {
    const value = this.find(field);
    const isNumber = typeof value === "number" || (typeof value === "string" && /^\d{1,9}$/.test(value.trim()));
    const index = isNumber ? Number(value) - first : Number.NaN;
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      throw this.error(field, `a whole number from ${first} to ${first + count - 1}`);
    }
    return index;
  }

  /** Choices with labels, and the label of the right one: as ARC and OpenBookQA have it. */
  labelled(choices: string, key: string): Choices {
    const texts = this.texts(`${choices}.text`);
    const labels = this.texts(`${choices}.label`, texts.length);
    const gold = labels.indexOf(this.text(key).trim());
    if (gold < 0) throw this.error(key, `one of ${labels.map((label) => shorten(label)).join(", ")}`);
    return { choices: texts, gold };
  }

  /** A list of choices and the place of the right one: as llm-foundry's files have it. */
  listed(choices: string, key: string, count?: number): Choices {
    const texts = this.texts(choices, count);
    return { choices: texts, gold: this.index(key, texts.length) };
  }

  /** A refusal of this field. */
  error(field: string, expected: string): RefrainError {
    const value = this.find(field);
    const got = value === undefined ? "nothing" : shorten(JSON.stringify(value));
    const fields = Object.keys(this.values).map(shorten).slice(0, 12).join(", ");
    const help = `The row has ${fields === "" ? "no fields" : `the fields ${fields}`}. docs/tasks.md lists what each task reads.`;
    return inputError("task-field", `${this.place}: field "${field}": expected ${expected}, got ${got}`, help);
  }

  private find(field: string): unknown {
    let value: unknown = this.values;
    for (const name of field.split(".")) {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
      value = (value as Record<string, unknown>)[name];
    }
    return value ?? undefined;
  }
}

function parseList(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
