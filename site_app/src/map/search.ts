// The search of a map: its query and the most similar synapses, marked on the map and described beside the number of points.

import { BadInput } from "../errors";
import { CATEGORIES, type Filters } from "../points";
import { PLAIN_QUESTION, type Question, queryString } from "../question";
import type { SiteFile } from "../site";
import type { MapModel } from "./model";
import type { Viewport } from "./viewport";

/** Ids of the synapses most similar to a query. Throws an error with a sentence where there is no answer. */
export type Similar = (parameters: URLSearchParams) => Promise<string[]>;

/** question: the current search; caption: describes it, empty while there is none. */
export class MapSearch {
  question: Question = PLAIN_QUESTION;
  caption = "";
  #queryCaption = "";

  /** @param updated shows the caption */
  constructor(
    private readonly site: SiteFile,
    private readonly model: MapModel,
    private readonly viewport: Viewport,
    private readonly similar: Similar,
    private readonly words: (text: string) => string,
    private readonly updated: () => void,
  ) {}

  /** Marks the query, if it is on the map, and gives its row; the most similar follow. Throws BadInput for an id that is not here. */
  begin(question: Question, filters: Filters): number {
    const row = this.model.points.row(question.synapseId);
    this.viewport.mark("query", [row]);
    const isOnMap = this.model.plane.indexOf(row) !== null;
    this.#queryCaption = `★ query ${question.synapseId}${isOnMap ? "" : ", which has no place on the map"}`;
    this.caption = this.#queryCaption;
    this.question = question;
    void this.searchAmong(filters);
    return row;
  }

  /** Searches for synapses similar to the query, within the filters; does nothing in a dataset without pictures. */
  async searchAmong(filters: Filters): Promise<void> {
    const question = { ...this.question, filters };
    this.question = question;
    if (!this.site.has_pictures) return;
    let rows: number[] = [];
    let caption = "";
    try {
      const ids = await this.similar(new URLSearchParams(queryString(question)));
      rows = ids.map((id) => this.model.points.row(id));
      caption = this.#describe(question, rows);
    } catch (error) {
      if (!(error instanceof BadInput)) console.error(error);
      caption = error instanceof Error ? error.message : String(error);
    }
    // Another search was begun in the meantime.
    if (question !== this.question) return;
    this.viewport.mark("near", rows);
    this.caption = `${this.#queryCaption} · ${caption}`;
    this.updated();
  }

  #describe(question: Question, rows: readonly number[]): string {
    const onMap = rows.filter((row) => this.model.plane.indexOf(row) !== null).length;
    const ofEach = question.columns ? ` of each ${this.words(CATEGORIES[question.columns]!)}` : "";
    const others = this.model.points.neuronIds.length > 0 && !question.ownNeuron ? " of other neurons" : "";
    const each = question.columns ? `${question.k} nearest${ofEach}` : `${rows.length} nearest`;
    const metric = (this.site.metrics[question.metric] ?? question.metric).split(",")[0];
    const places = onMap < rows.length ? ` (${onMap} have a place on the map)` : "";
    return `◯ its ${each}${others}, by ${metric}${places}`;
  }
}
