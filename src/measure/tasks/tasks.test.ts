import { describe, expect, it } from "vitest";
import type { Item } from "./item.ts";
import { Row } from "./row.ts";
import { tasks } from "./tasks.ts";

function itemOf(name: string, values: Record<string, unknown>): Item {
  return tasks.find((task) => task.name === name)!.item(new Row(`${name}.jsonl, line 7`, values));
}

const letters = { text: ["red", "blue"], label: ["A", "B"] };

/** The same item in the fields of the hub's data set, and in those of a file with the choices in a list. */
const twice: readonly [name: string, hub: Record<string, unknown>, listed: Record<string, unknown>, Item][] = [
  [
    "arc_easy",
    { question: "Which?", choices: letters, answerKey: "B" },
    { question: "Which?", choices: letters.text, gold: 1 },
    after("Question: Which?\nAnswer:", ["red", "blue"], 1),
  ],
  [
    "boolq",
    { passage: "Grass\nis green.", question: "is grass green", label: 1 },
    { query: "Passage: Grass\nis green.\nQuestion: is grass green?", choices: ["no", "yes"], gold: 1 },
    after("Grass\nis green.\nQuestion: is grass green?\nAnswer:", ["no", "yes"], 1),
  ],
  [
    "piqa",
    { goal: "open it", sol1: "push", sol2: "pull", label: "0" },
    { query: "Question: open it\n", choices: ["push", "pull"], gold: 0 },
    after("Question: open it\nAnswer:", ["push", "pull"], 0),
  ],
  [
    "siqa",
    { context: "Al fell.", question: "How is Al?", answerA: "hurt", answerB: "rich", answerC: "blue", label: "3" },
    { question: "Al fell. How is Al?", choices: ["hurt", "rich", "blue"], gold: 2 },
    after("Q: Al fell. How is Al?\nA:", ["hurt", "rich", "blue"], 2),
  ],
  [
    "openbookqa",
    { question_stem: "Frogs eat", choices: letters, answerKey: " A" },
    { query: "Frogs eat", choices: letters.text, gold: 0 },
    after("Frogs eat", ["red", "blue"], 0),
  ],
  [
    "winogrande",
    { sentence: "Al saw Bo so _  ran.", option1: "Al", option2: "Bo", answer: "2" },
    { context_options: ["Al saw Bo so Al", "Al saw Bo so Bo"], continuation: "ran.", gold: 1 },
    {
      requests: ["Al", "Bo"].map((name) => ({ context: `Al saw Bo so ${name}`, continuation: " ran." })),
      gold: 1,
      lengths: [4, 4],
    },
  ],
  [
    "lambada_openai",
    { text: "the cat and the cat" },
    { context: "the cat and the", continuation: "cat" },
    { requests: [{ context: "the cat and the", continuation: " cat" }], gold: 0, lengths: [3] },
  ],
  [
    "mmlu",
    { subject: "us_history", question: "When? ", choices: ["1", "2", "3", "4"], answer: 3 },
    { subject: "us_history", question: "When?", choices: ["1", "2", "3", "4"], gold: "3" },
    {
      ...after(
        "The following are multiple choice questions (with answers) about us history.\n\nWhen?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:",
        ["A", "B", "C", "D"],
        3,
      ),
      group: "us_history",
    },
  ],
];

function after(context: string, choices: readonly string[], gold: number): Item {
  return {
    requests: choices.map((choice) => ({ context, continuation: ` ${choice}` })),
    gold,
    lengths: choices.map((choice) => choice.length),
  };
}

describe("tasks", () => {
  it.each(twice)("%s reads both kinds of fields alike", (name, hub, listed, item) => {
    expect(itemOf(name, hub)).toEqual(item);
    expect(itemOf(name, listed)).toEqual(item);
  });

  it("hellaswag: its marks go, the second sentence gets a capital, two spaces become one", () => {
    const item = itemOf("hellaswag", {
      activity_label: "How to rest",
      ctx_a: "[header] How to rest [title] Sit down.",
      ctx_b: "then YOU",
      endings: ["[step] sleep  well", "run", "eat [title] more", " fly"],
      label: "2",
    });
    expect(item).toEqual({
      requests: [" sleep well", "run", "eat. more", "fly"].map((ending) => ({
        context: "How to rest: How to rest. Sit down. Then you",
        continuation: ` ${ending}`,
      })),
      gold: 2,
      lengths: [11, 3, 9, 3],
    });
  });

  it("lengths are in code points, as Python counts", () => {
    expect(itemOf("arc_easy", { question: "?a", choices: ["naïve", "🦊🦊"], gold: 0 }).lengths).toEqual([5, 2]);
  });

  it("have a name of their own each", () => {
    expect(new Set(tasks.flatMap(({ name, aliases }) => [name, ...aliases])).size).toBe(
      tasks.reduce((sum, { aliases }) => sum + 1 + aliases.length, 0),
    );
  });

  it.each<[string, string, Record<string, unknown>, RegExp]>([
    [
      "a field that is missing",
      "arc_easy",
      { choices: letters, answerKey: "A" },
      /line 7: field "question": expected a text that is not blank, got nothing/,
    ],
    [
      "a text that is a number",
      "piqa",
      { goal: 3, sol1: "a", sol2: "b", label: 0 },
      /field "goal": expected a text.*got 3/,
    ],
    ["a blank text", "arc_easy", { question: " ", choices: letters, answerKey: "A" }, /"question".*got " "/],
    [
      "a key that is no label",
      "arc_easy",
      { question: "q", choices: letters, answerKey: "C" },
      /"answerKey": expected one of A, B, got "C"/,
    ],
    [
      "fewer labels than choices",
      "arc_easy",
      { question: "q", choices: { text: ["a", "b"], label: ["A"] }, answerKey: "A" },
      /"choices.label": expected a list of 2 texts/,
    ],
    [
      "one choice",
      "arc_easy",
      { question: "q", choices: ["a"], gold: 0 },
      /"choices": expected a list of 2 to 64 texts/,
    ],
    [
      "a label beyond the choices",
      "siqa",
      { question: "q", choices: ["a", "b", "c"], gold: 3 },
      /"gold": expected a whole number from 0 to 2, got 3/,
    ],
    [
      "a label counted from 0",
      "siqa",
      { context: "c", question: "q", answerA: "a", answerB: "b", answerC: "c", label: "0" },
      /from 1 to 3, got "0"/,
    ],
    [
      "a label that is no number",
      "boolq",
      { passage: "p", question: "q", label: "yes" },
      /"label": expected a whole number from 0 to 1/,
    ],
    ["a query in another form", "boolq", { query: "Is it?", gold: 0 }, /"query": expected a text like "Passage: /],
    [
      "a sentence without a gap",
      "winogrande",
      { sentence: "No gap.", option1: "a", option2: "b", answer: "1" },
      /a sentence with a gap \(_\) and words behind it/,
    ],
    [
      "nothing behind the gap",
      "winogrande",
      { sentence: "It was _", option1: "a", option2: "b", answer: "1" },
      /words behind it/,
    ],
    ["a single word", "lambada_openai", { text: "word" }, /at least two words/],
    [
      "five choices",
      "mmlu",
      { subject: "s", question: "q", choices: ["1", "2", "3", "4", "5"], answer: 0 },
      /a list of 4 texts/,
    ],
    [
      "a text where a list should be",
      "hellaswag",
      { activity_label: "a", ctx_a: "b", ctx_b: "", endings: "abcd", label: 0 },
      /"endings": expected a list of 4 texts, got "abcd"/,
    ],
  ])("refuses %s", (_, name, values, message) => {
    expect(() => itemOf(name, values)).toThrowError(expect.objectContaining({ code: "task-field", kind: "input" }));
    expect(() => itemOf(name, values)).toThrowError(message);
  });
});
