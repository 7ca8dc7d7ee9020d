/** The rules that choose from one measurement: what `measure` can show. */
import { angular } from "./angular.ts";
import { influence } from "./influence.ts";
import type { Rule } from "./rule.ts";

export const rules: readonly Rule[] = [angular, influence];
