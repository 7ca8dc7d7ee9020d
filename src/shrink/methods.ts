/** The methods that shrink a model; method.ts says what one is. A new one is one file beside this one and one line here. */
import { angularMethod, influenceMethod } from "./by-similarity.ts";
import { deepest } from "./deepest.ts";
import type { Method } from "./method.ts";

export const methods: readonly Method[] = [angularMethod, influenceMethod, deepest];
