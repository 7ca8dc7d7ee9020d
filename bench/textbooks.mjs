/**
 * node bench/textbooks.mjs OUT.txt [FOLDER]
 *
 * Eight textbooks of OpenStax (CC BY 3.0), as one plain text of 19 MB: what a small model was taught, for it to be measured and
 * healed with. Clones the repositories into FOLDER (a folder beside OUT.txt by default) unless they are there. Keeps paragraphs of
 * words only: no lists, tables, formulas, and links by their text.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const [out, folder = join(dirname(out ?? ""), "textbooks")] = process.argv.slice(2);
if (out === undefined) throw new Error("expected where the text goes");
mkdirSync(folder, { recursive: true });

const BOOKS = [
  ["biology", "cf3dc8c"],
  ["physics", "a7efaa7"],
  ["anatomy", "eadaa6b"],
  ["economics", "d3f319e"],
  ["sociology", "8f29e07"],
  ["psychology", "aa152d6"],
  ["us-history", "635ed59"],
  ["chemistry", "a6ac391"],
];
/** Shorter paragraphs are headings and captions for the most part. */
const SHORTEST = 150;
const LEAST_LETTERS = 0.85;

const chapters = BOOKS.flatMap(([book, commit]) => {
  const clone = join(folder, `${book}-book`);
  if (!existsSync(clone)) {
    execFileSync("git", ["clone", "--quiet", `https://github.com/philschatz/${book}-book`, clone]);
    execFileSync("git", ["-C", clone, "checkout", "--quiet", commit]);
  }
  const names = readdirSync(clone, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"));
  return names.sort().map((name) => plain(readFileSync(join(clone, name), "utf8")));
});
writeFileSync(out, chapters.filter((chapter) => chapter !== "").join("\n\n\n"));

function plain(markdown) {
  const text = markdown
    .replace(/^---\n.*?\n---\n/s, "")
    .replace(/<math.*?<\/math>/gs, "")
    .replace(/!\[[^\]]*\]\([^)]*\)/g, "")
    .replace(/\(\[\\\[link\\\]\]\([^)]*\)\)/g, "")
    .replace(/\[\\\[link\\\]\]\([^)]*\)/g, "the figure")
    .replace(/\{:[^}]*\}/g, "")
    .replace(/<[^>]+>/g, "")
    .replace(/\[([^\]]*)\](?:\[\d+\]|\([^)]*\))/g, "$1")
    .replace(/^\s*\[\d+\]:.*$/gm, "")
    .replace(/\*\*|(?<!\w)\*(?=[^\s*])|(?<=[^\s*])\*(?!\w)/g, "")
    .replace(/\\([[\]])/g, "$1")
    .replace(/&nbsp;|\u2009/g, " ")
    .replace(/[ \t]+/g, " ")
    .replace(/ *\n */g, "\n")
    .replace(/\n{2,}/g, "\n\n");
  return text
    .split("\n\n")
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => paragraph.length > SHORTEST && lettersOf(paragraph) > LEAST_LETTERS)
    .join("\n\n");
}

/** Share of letters and spaces. */
function lettersOf(paragraph) {
  return paragraph.replace(/[^\p{L} ]/gu, "").length / paragraph.length;
}
