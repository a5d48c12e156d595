// Points on a canvas without a graphics card: counted into an array of pixels, or as discs where there are few.

import { type Colouring, rgb } from "./colouring";
import {
  type Content,
  DISC_OPACITY,
  discPx,
  discsIn,
  LEAST_OPAQUE,
  type Painter,
  SPREAD_BELOW,
  spread,
} from "./painter";
import { SAMPLE } from "./plane";
import { toScreen, type Window } from "./window";

// While the map moves, so many points are drawn.
const MOVED = 4 * SAMPLE;
// Around a picture, so that points near its side are discs like any other, and not seen at the other side.
const MARGIN = SPREAD_BELOW.length;

export class CanvasPainter implements Painter {
  readonly kind = "canvas";
  readonly element = document.createElement("canvas");
  // Kept by the processor, which draws it.
  readonly #on = this.element.getContext("2d", { willReadFrequently: true })!;
  readonly #picture = document.createElement("canvas");
  readonly #onPicture = this.#picture.getContext("2d", { willReadFrequently: true })!;
  #content: Content | null = null;
  #raster: Raster | null = null;

  show(content: Content): void {
    this.#content = content;
  }

  turn(): void {}

  draw(window: Window, moving: boolean): void {
    const content = this.#content;
    if (content === null) return;
    const scale = devicePixelRatio;
    this.element.width = Math.max(1, Math.round(window.widthPx * scale));
    this.element.height = Math.max(1, Math.round(window.heightPx * scale));
    this.#on.scale(scale, scale);
    const discs = discsIn(content, window);
    if (discs === null) this.#drawPicture(content, window, moving ? MOVED : Infinity);
    else this.#drawDiscs(content, window, discs);
  }

  dispose(): void {
    this.element.remove();
  }

  #drawDiscs({ plane, colouring }: Content, window: Window, discs: Uint32Array): void {
    const radius = discPx(discs.length) / 2;
    this.#on.globalAlpha = DISC_OPACITY;
    for (const index of discs) {
      const [left, top] = toScreen(window, plane.x[index]!, plane.y[index]!);
      this.#on.fillStyle = colouring.colours[colouring.codes[index]!]!;
      this.#on.beginPath();
      this.#on.arc(left, top, radius, 0, 2 * Math.PI);
      this.#on.fill();
    }
  }

  #drawPicture({ plane, colouring, shown }: Content, window: Window, most: number): void {
    const [width, height] = [Math.max(1, Math.round(window.widthPx)), Math.max(1, Math.round(window.heightPx))];
    if (this.#raster?.width !== width || this.#raster.height !== height) this.#raster = new Raster(width, height);
    this.#raster.draw(plane.x, plane.y, colouring, shown, window, most);
    [this.#picture.width, this.#picture.height] = [width, height];
    this.#onPicture.putImageData(new ImageData(this.#raster.pixels, width, height), 0, 0);
    this.#on.drawImage(this.#picture, 0, 0, window.widthPx, window.heightPx);
  }
}

/** A picture of points of so many pixels. pixels: red, green, blue and opacity of each, the highest row first. */
export class Raster {
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  // With a margin around the picture, and for each pixel the sums of red, green and blue of its points, and their number. Kept from
  // one drawing to the next: making them anew takes as long as filling them.
  readonly #wide: number;
  readonly #sums: Float32Array;
  #discs: Float32Array | null = null;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.pixels = new Uint8ClampedArray(4 * width * height);
    this.#wide = width + 2 * MARGIN;
    this.#sums = new Float32Array(4 * this.#wide * (height + 2 * MARGIN));
  }

  /**
   * Colours mixed by how many points of each fall on a pixel; the stronger, the more pixels hold fewer points.
   *
   * @param most of the points `shown` only so many are drawn, as large as all would be
   */
  draw(x: Float32Array, y: Float32Array, colouring: Colouring, shown: Uint32Array, window: Window, most: number): void {
    const part = shown.subarray(0, most);
    const count = this.#add(x, y, colouring, part, window);
    const wider = spread((count * shown.length) / Math.max(1, part.length));
    const sums = wider === 0 ? this.#sums : this.#widened(wider);
    const rank = ranks(sums, 3, 4);
    const { pixels, width, height } = this;
    pixels.fill(0);
    for (let line = 0, to = 0; line < height; line++) {
      let from = 4 * ((line + MARGIN) * this.#wide + MARGIN);
      for (let column = 0; column < width; column++, from += 4, to += 4) {
        const points = sums[from + 3]!;
        if (points === 0) continue;
        pixels[to] = Math.floor(sums[from]! / points);
        pixels[to + 1] = Math.floor(sums[from + 1]! / points);
        pixels[to + 2] = Math.floor(sums[from + 2]! / points);
        pixels[to + 3] = Math.floor(LEAST_OPAQUE + (255 - LEAST_OPAQUE) * rank[points]!);
      }
    }
  }

  /** Adds points up by pixel; gives how many lie in the window. */
  #add(x: Float32Array, y: Float32Array, colouring: Colouring, part: Uint32Array, window: Window): number {
    const [left, top] = [window.x[0], window.y[1]];
    const [acrossPerUnit, downPerUnit] = [this.width / (window.x[1] - left), this.height / (top - window.y[0])];
    const colours = Float32Array.from(colouring.colours.flatMap(rgb));
    const { codes } = colouring;
    const [sums, wide, width, height] = [this.#sums, this.#wide, this.width, this.height];
    sums.fill(0);
    let count = 0;
    for (let next = 0; next < part.length; next++) {
      const index = part[next]!;
      const column = (x[index]! - left) * acrossPerUnit;
      const line = (top - y[index]!) * downPerUnit;
      if (column < 0 || column >= width || line < 0 || line >= height) continue;
      const at = 4 * (((line | 0) + MARGIN) * wide + (column | 0) + MARGIN);
      const colour = 3 * codes[index]!;
      sums[at] = sums[at]! + colours[colour]!;
      sums[at + 1] = sums[at + 1]! + colours[colour + 1]!;
      sums[at + 2] = sums[at + 2]! + colours[colour + 2]!;
      sums[at + 3] = sums[at + 3]! + 1;
      count++;
    }
    return count;
  }

  /** The sums with every point as a disc that is so many pixels wider on each side. */
  #widened(wider: number): Float32Array {
    const sums = this.#sums;
    this.#discs ??= new Float32Array(sums.length);
    const discs = this.#discs;
    discs.fill(0);
    const steps: number[] = [];
    for (let up = -wider; up <= wider; up++) {
      for (let across = -wider; across <= wider; across++) {
        if (up * up + across * across <= (wider + 0.5) ** 2) steps.push(4 * (up * this.#wide + across));
      }
    }
    for (let at = 0; at < sums.length; at += 4) {
      if (sums[at + 3] === 0) continue;
      for (const step of steps) {
        const to = at + step;
        discs[to] = discs[to]! + sums[at]!;
        discs[to + 1] = discs[to + 1]! + sums[at + 1]!;
        discs[to + 2] = discs[to + 2]! + sums[at + 2]!;
        discs[to + 3] = discs[to + 3]! + sums[at + 3]!;
      }
    }
    return discs;
  }
}

/**
 * By number of points on a pixel, the share of filled pixels with as many or fewer.
 *
 * @param counts the number of points of a pixel at `first`, and at every `step`th value after it
 */
export function ranks(counts: Float32Array | Uint32Array, first: number, step: number): Float64Array {
  let [most, filled] = [0, 0];
  for (let at = first; at < counts.length; at += step) most = Math.max(most, counts[at]!);
  const rank = new Float64Array(most + 1);
  for (let at = first; at < counts.length; at += step) {
    if (counts[at] === 0) continue;
    rank[counts[at]!] = rank[counts[at]!]! + 1;
    filled++;
  }
  for (let points = 1; points <= most; points++) rank[points] = rank[points - 1]! + rank[points]! / filled;
  return rank;
}
