/**
 * The zero-shot tasks, as EleutherAI's lm-evaluation-harness (0.4.13) defines them: what stands before the answer, what
 * the choices are, which one is right, which metrics count. `item` reads a row in the fields of the hub's data set that
 * the harness names, or in those of a file with the choices in a list (llm-foundry's local_data, LLM-Adapters).
 */
import { type Choices, choicesAfter, type Item } from "./item.ts";
import type { Row } from "./row.ts";

/** A share of right answers, the same by likelihood a character, or exp of the mean loss of an item. */
export type Metric = "acc" | "acc_norm" | "perplexity";

export interface Task {
  readonly name: string;
  readonly title: string;
  /** Other names that its file may have. */
  readonly aliases: readonly string[];
  /** Where the hub has the data. */
  readonly hub: { readonly repository: string; readonly config: string; readonly split: string };
  /** The last of them that is a share is what the task counts with in means and pictures. */
  readonly metrics: readonly Metric[];
  /** Throws `task-field`. */
  readonly item: (row: Row) => Item;
}

const both = ["acc", "acc_norm"] as const;

export const tasks: readonly Task[] = [
  {
    name: "arc_easy",
    title: "ARC-Easy",
    aliases: [],
    hub: { repository: "allenai/ai2_arc", config: "ARC-Easy", split: "test" },
    metrics: both,
    item: arc,
  },
  {
    name: "arc_challenge",
    title: "ARC-Challenge",
    aliases: [],
    hub: { repository: "allenai/ai2_arc", config: "ARC-Challenge", split: "test" },
    metrics: both,
    item: arc,
  },
  {
    name: "boolq",
    title: "BoolQ",
    aliases: [],
    hub: { repository: "aps/super_glue", config: "boolq", split: "validation" },
    metrics: ["acc"],
    item: (row) => {
      const { passage, question } = row.has("passage")
        ? { passage: row.text("passage"), question: row.text("question") }
        : parts(row, /^Passage: (?<passage>.*)\nQuestion: (?<question>.*)\?\s*$/s, '"Passage: …\\nQuestion: …?"');
      const gold = row.index(row.has("label") ? "label" : "gold", 2);
      return choicesAfter(`${passage}\nQuestion: ${question}?\nAnswer:`, { choices: ["no", "yes"], gold });
    },
  },
  {
    name: "piqa",
    title: "PIQA",
    aliases: [],
    hub: { repository: "baber/piqa", config: "default", split: "validation" },
    metrics: both,
    item: (row) => {
      const goal = row.has("goal")
        ? row.text("goal")
        : parts(row, /^Question: (?<goal>.*)\n$/s, '"Question: …\\n"').goal;
      const choices = row.has("sol1")
        ? { choices: [row.text("sol1"), row.text("sol2")], gold: row.index("label", 2) }
        : row.listed("choices", "gold", 2);
      return choicesAfter(`Question: ${goal}\nAnswer:`, choices);
    },
  },
  {
    name: "siqa",
    title: "SIQA",
    aliases: ["social_iqa", "social_i_qa"],
    hub: { repository: "lighteval/siqa", config: "default", split: "validation" },
    metrics: ["acc"],
    item: (row) => {
      const text = row.has("context") ? `${row.text("context")} ${row.text("question")}` : row.text("question");
      const answers = ["answerA", "answerB", "answerC"];
      const choices = row.has("answerA")
        ? { choices: answers.map((answer) => row.text(answer)), gold: row.index("label", 3, 1) }
        : row.listed("choices", "gold", 3);
      return choicesAfter(`Q: ${text}\nA:`, choices);
    },
  },
  {
    name: "hellaswag",
    title: "HellaSwag",
    aliases: [],
    hub: { repository: "Rowan/hellaswag", config: "default", split: "validation" },
    metrics: both,
    item: (row) => {
      const { choices, gold } = row.listed("endings", "label", 4);
      const context = `${row.text("ctx_a")} ${capitalized(row.anyText("ctx_b"))}`;
      return choicesAfter(withoutMarks(`${row.text("activity_label")}: ${context}`), {
        choices: choices.map(withoutMarks),
        gold,
      });
    },
  },
  {
    name: "openbookqa",
    title: "OpenBookQA",
    aliases: ["openbook_qa", "obqa"],
    hub: { repository: "allenai/openbookqa", config: "main", split: "test" },
    metrics: both,
    item: (row) => choicesAfter(row.text(row.has("question_stem") ? "question_stem" : "query"), labelledOrListed(row)),
  },
  {
    name: "winogrande",
    title: "WinoGrande",
    aliases: [],
    hub: { repository: "allenai/winogrande", config: "winogrande_xl", split: "validation" },
    metrics: ["acc"],
    item: winogrande,
  },
  {
    name: "lambada_openai",
    title: "LAMBADA",
    aliases: ["lambada"],
    hub: { repository: "EleutherAI/lambada_openai", config: "default", split: "test" },
    metrics: ["perplexity", "acc"],
    item: (row) => {
      const text = row.has("text") ? row.text("text") : `${row.text("context")} ${row.text("continuation")}`;
      const last = text.lastIndexOf(" ");
      const context = text.slice(0, Math.max(0, last));
      if (context.trim() === "") throw row.error(row.has("text") ? "text" : "context", "at least two words");
      return { requests: [{ context, continuation: text.slice(last) }], gold: 0, lengths: [text.length - last - 1] };
    },
  },
  {
    name: "mmlu",
    title: "MMLU",
    aliases: ["mmlu_test"],
    hub: { repository: "cais/mmlu", config: "all", split: "test" },
    metrics: ["acc"],
    item: (row) => {
      const subject = row.text("subject");
      const { choices, gold } = row.listed("choices", row.has("answer") ? "answer" : "gold", 4);
      const about = `The following are multiple choice questions (with answers) about ${subject.replaceAll("_", " ")}.`;
      const lines = choices.map((choice, i) => `${"ABCD"[i]}. ${choice}`);
      const question = `${row.text("question").trim()}\n${lines.join("\n")}\nAnswer:`;
      return { ...choicesAfter(`${about}\n\n${question}`, { choices: ["A", "B", "C", "D"], gold }), group: subject };
    },
  },
];

function arc(row: Row): Item {
  return choicesAfter(`Question: ${row.text("question")}\nAnswer:`, labelledOrListed(row));
}

function labelledOrListed(row: Row): Choices {
  return row.has("answerKey") ? row.labelled("choices", "answerKey") : row.listed("choices", "gold");
}

/** Partial evaluation: the choices stand in the gap of the context, and what follows the gap is what must be likely. */
function winogrande(row: Row): Item {
  if (!row.has("sentence")) {
    const { choices, gold } = row.listed("context_options", "gold", 2);
    return filledGap(choices, row.text("continuation"), gold);
  }
  const sentence = row.text("sentence");
  const gap = sentence.indexOf("_");
  const rest = sentence.slice(gap + 1).trim();
  if (gap < 0 || rest === "") throw row.error("sentence", "a sentence with a gap (_) and words behind it");
  const contexts = ["option1", "option2"].map((option) => sentence.slice(0, gap) + row.text(option));
  return filledGap(contexts, rest, row.index("answer", 2, 1));
}

function filledGap(contexts: readonly string[], rest: string, gold: number): Item {
  return {
    requests: contexts.map((context) => ({ context, continuation: ` ${rest}` })),
    gold,
    lengths: contexts.map(() => rest.length),
  };
}

/** The parts of a `query` that an older file has put together. */
function parts(row: Row, pattern: RegExp, shown: string): Record<string, string> {
  const found = pattern.exec(row.text("query"))?.groups;
  if (found === undefined) throw row.error("query", `a text like ${shown}`);
  return found;
}

/** As Python's str.capitalize: the rest in small letters. */
function capitalized(text: string): string {
  const [first = "", ...rest] = text;
  return first.toUpperCase() + rest.join("").toLowerCase();
}

/** HellaSwag's WikiHow part has the marks of its source in the text: [header], [title], [step]. */
function withoutMarks(text: string): string {
  return text
    .trim()
    .replaceAll(" [title]", ". ")
    .replace(/\[[^\n]*?\]/g, "")
    .replaceAll("  ", " ");
}
