// What a map keeps in its URL: colours, filters, the view and the search, so that a link shows the same again. The port of
// `explorer/map/state.py`; parameters of the search itself are read and written by `question`, controls belong to `controls`.

import { BadInput } from "../errors";
import { CATEGORIES, type Filters, NUMBERS } from "../points";
import { filterOptions, PLAIN_QUESTION, type Question, queryString, readQuestion } from "../question";
import { general, readFloat } from "../text";
import { urlencode } from "../urls";
import type { Turn } from "./plane";
import type { View } from "./window";

// Maps reach from about -20 to 20 (UMAP); a position beyond this is a mistake, or would leave the range of numbers.
const FARTHEST = 1e9;
const LONGEST_TEXT = 80;

/**
 * The state of an open map. colour: a column. hidden: lines of the legend that are switched off. turn: null in the plane.
 * view: null for the whole map. question: without filters; those are `filters`.
 */
export interface MapState {
  readonly colour: string;
  readonly hidden: readonly string[];
  readonly turn: Turn | null;
  readonly view: View | null;
  readonly filters: Filters;
  readonly question: Question;
}

/** What of a release decides whether an address can be followed. */
export interface Offered {
  /** Titles of the columns that points can be coloured by, by name. */
  readonly columns: ReadonlyMap<string, string>;
  /** Names of the classes of each column of classes. */
  readonly classes: ReadonlyMap<string, readonly string[]>;
  readonly hasSpace: boolean;
  /** Throws BadInput for a filter by a column or value that does not occur. */
  check(filters: Filters): void;
}

/** The part of a URL after the `?` that shows the same: the query and its answer too, if there is one. */
export function stateQuery(state: MapState): string {
  const options: [string, string][] = [["colour", state.colour], ...state.hidden.map(pair("off"))];
  if (state.turn !== null) options.push(["turned", state.turn.join(",")]);
  if (state.view !== null) options.push(["look", state.view.map((number) => general(number)).join(",")]);
  if (state.question.synapseId) {
    return `${queryString({ ...state.question, filters: state.filters })}&${urlencode(options)}`;
  }
  return urlencode([...filterOptions(state.filters), ...options]);
}

/** The state that a URL asks for, as far as the release has it, and a sentence for each part that was left out. */
export function readState(parameters: URLSearchParams, offered: Offered): [MapState, string[]] {
  const messages: string[] = [];
  const reader = new StateReader(parameters, offered, messages);
  // In the order of the explorer, in which the sentences stand.
  const [view, colour, filters, turn] = [reader.view(), reader.colour(), reader.filters(), reader.turn()];
  const state = { view, colour, filters, turn, hidden: parameters.getAll("off"), question: reader.question() };
  return [state, messages];
}

class StateReader {
  constructor(
    private readonly parameters: URLSearchParams,
    private readonly offered: Offered,
    private readonly messages: string[],
  ) {}

  view(): View | null {
    const numbers = this.numbers("look", "the place to look at", 3);
    return numbers !== null && numbers[2]! > 1 / FARTHEST ? [numbers[0]!, numbers[1]!, numbers[2]!] : null;
  }

  turn(): Turn | null {
    const numbers = this.numbers("turned", "the turn", 2);
    if (numbers === null || !this.offered.hasSpace) return null;
    return [halfEven(within(numbers[0]!, 180)), halfEven(within(numbers[1]!, 90))];
  }

  colour(): string {
    const { columns, classes } = this.offered;
    const colour = this.parameters.get("colour") ?? "";
    if (columns.has(colour)) return colour;
    if (colour) {
      const known = [...columns.keys()].join(", ");
      this.messages.push(`there is no column '${colour}' to colour by; there are ${known}`);
    }
    const names = [...columns.keys()];
    return names.find((name) => (classes.get(name)?.length ?? 2) > 1) ?? names[0] ?? "";
  }

  filters(): Filters {
    const anyOf = new Map<string, string[]>();
    for (const name of Object.keys(CATEGORIES)) {
      const values = this.parameters.getAll(name).filter((text) => {
        return text !== "" && this.isUsable({ anyOf: new Map([[name, [text]]]), least: new Map() });
      });
      if (values.length > 0) anyOf.set(name, values);
    }
    const least = new Map<string, number>();
    for (const name of Object.keys(NUMBERS)) {
      for (const text of this.parameters.getAll(`${name}_least`)) {
        if (text === "") continue;
        const value = readFloat(text);
        if (value === null || !Number.isFinite(value)) {
          this.messages.push(`a filter was left out, because ${name}_least=${text} is not a number`);
        } else if (this.isUsable({ anyOf: new Map(), least: new Map([[name, value]]) }) && !least.has(name)) {
          least.set(name, value);
        }
      }
    }
    return { anyOf, least };
  }

  /** The search; its filters are those of the map. */
  question(): Question {
    const filters = new Set([...Object.keys(CATEGORIES), ...Object.keys(NUMBERS).map((name) => `${name}_least`)]);
    try {
      return readQuestion(
        [...this.parameters].filter(([name]) => !filters.has(name)),
        PLAIN_QUESTION,
      );
    } catch (error) {
      if (!(error instanceof BadInput)) throw error;
      this.messages.push(error.message);
      return PLAIN_QUESTION;
    }
  }

  private isUsable(filters: Filters): boolean {
    try {
      this.offered.check(filters);
      return true;
    } catch (error) {
      if (!(error instanceof BadInput)) throw error;
      this.messages.push(`a filter was left out, because ${error.message}`);
      return false;
    }
  }

  /** Finite numbers separated by commas; null with a message for anything else. */
  private numbers(name: string, what: string, count: number): number[] | null {
    const text = this.parameters.get(name) ?? "";
    if (!text) return null;
    const numbers = text.split(",").map((part) => readFloat(part) ?? Number.NaN);
    if (numbers.length === count && numbers.every((number) => Math.abs(number) <= FARTHEST)) return numbers;
    const shown = [...text].slice(0, LONGEST_TEXT).join("");
    this.messages.push(
      `${what} of this address, ${name}=${shown}, was left out: it needs ${count} numbers, separated by commas`,
    );
    return null;
  }
}

function pair(name: string): (value: string) => [string, string] {
  return (value) => [name, value];
}

function within(number: number, most: number): number {
  return Math.max(-most, Math.min(most, number));
}

/** The nearest whole number, of two the even one. */
function halfEven(number: number): number {
  const low = Math.floor(number);
  const rounded = number - low === 0.5 ? low + (low % 2 === 0 ? 0 : 1) : Math.round(number);
  return rounded === 0 ? 0 : rounded;
}
