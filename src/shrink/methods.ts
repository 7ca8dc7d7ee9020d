/** The methods that choose which steps to drop. A new one is one file beside this one and one line here. */
import { angular } from "./angular.ts";
import { influence } from "./influence.ts";
import type { Method } from "./method.ts";

export const methods: readonly Method[] = [angular, influence];
