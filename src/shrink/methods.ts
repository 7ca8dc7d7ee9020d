/** The methods that shrink a model; method.ts says what one is. A new one is one file beside this one and one line here. */
import { autoMethod } from "./auto.ts";
import { angularMethod, influenceMethod } from "./by-similarity.ts";
import { collapseMethod } from "./collapse.ts";
import { deepest } from "./deepest.ts";
import { growMethod } from "./grow.ts";
import type { Method } from "./method.ts";
import { perplexity } from "./perplexity.ts";
import { replaceMethod } from "./replace.ts";
import { surgeonMethod } from "./surgeon.ts";
import { taylorMethod } from "./taylor.ts";
import { tieMethod } from "./tie.ts";
import { vocabularyMethod } from "./vocabulary.ts";

export const methods: readonly Method[] = [
  angularMethod,
  influenceMethod,
  perplexity,
  deepest,
  collapseMethod,
  tieMethod,
  growMethod,
  taylorMethod,
  surgeonMethod,
  replaceMethod,
  vocabularyMethod,
  autoMethod,
];
