// Points drawn by the graphics card, through three.js: a picture of their mean colours, or discs where there are few.

import {
  AddEquation,
  BufferAttribute,
  BufferGeometry,
  Camera,
  CustomBlending,
  DataTexture,
  FloatType,
  HalfFloatType,
  Matrix4,
  Mesh,
  NearestFilter,
  type Object3D,
  OneFactor,
  OneMinusSrcAlphaFactor,
  OrthographicCamera,
  PlaneGeometry,
  Points,
  RedFormat,
  ShaderMaterial,
  WebGLRenderer,
  WebGLRenderTarget,
} from "three";
import { ranks } from "./canvas";
import { rgb } from "./colouring";
import { type Content, DISC_OPACITY, discPx, discsIn, LEAST_OPAQUE, type Painter, spread } from "./painter";
import { type Plane, SAMPLE, type Turn } from "./plane";
import { unitOf, type Window } from "./window";

// While the map moves, as many points as this many milliseconds allow.
const MOVED_MS = 40;
const RANKS = 256;

const AT_POSITION = `
attribute vec4 colour;
varying vec3 rgb;
uniform float size;
void main() {
  rgb = colour.rgb;
  gl_PointSize = size;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
  gl_Position.z = 0.0;
}`;
// Sums of colours, and in the fourth value the number of points.
const COUNTED = `
varying vec3 rgb;
void main() {
  if (length(gl_PointCoord - 0.5) > 0.5) discard;
  gl_FragColor = vec4(rgb, 1.0);
}`;
const DISC = `
varying vec3 rgb;
uniform float size;
void main() {
  float edge = (0.5 - length(gl_PointCoord - 0.5)) * size;
  float opacity = ${DISC_OPACITY} * clamp(edge + 0.5, 0.0, 1.0);
  gl_FragColor = vec4(rgb * opacity, opacity);
}`;
const WHOLE = `
varying vec2 place;
void main() {
  place = uv;
  gl_Position = vec4(position.xy, 0.0, 1.0);
}`;
const MEAN = `
varying vec2 place;
uniform sampler2D sums;
uniform sampler2D ranks;
void main() {
  vec4 sum = texture2D(sums, place);
  if (sum.a < 0.5) discard;
  float rank = texture2D(ranks, vec2((min(sum.a, ${RANKS - 1}.0) + 0.5) / ${RANKS}.0, 0.5)).r;
  float opacity = mix(${(LEAST_OPAQUE / 255).toFixed(4)}, 1.0, rank);
  gl_FragColor = vec4(sum.rgb / sum.a * opacity, opacity);
}`;

export class WebglPainter implements Painter {
  readonly kind = "webgl";
  readonly #renderer: WebGLRenderer;
  readonly #gl: WebGL2RenderingContext;
  readonly #camera = new OrthographicCamera();
  readonly #sums: WebGLRenderTarget;
  readonly #counted = material(AT_POSITION, COUNTED, { size: 1 });
  readonly #disc = material(AT_POSITION, DISC, { size: 1 });
  readonly #ranks = new DataTexture(new Uint8Array(RANKS), RANKS, 1, RedFormat);
  readonly #points = new Points(new BufferGeometry(), this.#counted);
  readonly #discs = new Points(new BufferGeometry(), this.#disc);
  readonly #whole: Mesh;
  #content: Content | null = null;
  #plane: Plane | null = null;
  #pointMs = 0;

  /** Null where the browser has no WebGL, or one that cannot add up colours. lost: called when the graphics card is gone. */
  static in(element: HTMLCanvasElement, lost: () => void): WebglPainter | null {
    const gl = element.getContext("webgl2", { alpha: true, antialias: false, depth: false });
    if (gl?.getExtension("EXT_color_buffer_float") == null) return null;
    element.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      lost();
    });
    return new WebglPainter(element, gl);
  }

  private constructor(
    readonly element: HTMLCanvasElement,
    gl: WebGL2RenderingContext,
  ) {
    this.#gl = gl;
    this.#renderer = new WebGLRenderer({ canvas: element, context: gl, alpha: true, depth: false });
    this.#renderer.setClearColor(0, 0);
    this.#renderer.autoClear = false;
    // Sums of thousands of colours need 32 bits; a card that cannot add those up has 16.
    const type = gl.getExtension("EXT_float_blend") === null ? HalfFloatType : FloatType;
    const filter = { minFilter: NearestFilter, magFilter: NearestFilter };
    this.#sums = new WebGLRenderTarget(1, 1, { type, depthBuffer: false, ...filter });
    const mean = material(WHOLE, MEAN, { sums: this.#sums.texture, ranks: this.#ranks });
    this.#whole = new Mesh(new PlaneGeometry(2, 2), mean);
    for (const part of [this.#points, this.#discs, this.#whole]) {
      part.frustumCulled = false;
      part.matrixAutoUpdate = false;
    }
  }

  show(content: Content): void {
    if (content.plane !== this.#plane) {
      this.#plane = content.plane;
      this.#share("position", new BufferAttribute(content.plane.axes, 3));
      this.turn(content.plane.turned);
    }
    if (content.colouring !== this.#content?.colouring) {
      this.#share("colour", new BufferAttribute(coloursOf(content), 4, true));
    }
    this.#content = content;
    this.#points.geometry.setIndex(new BufferAttribute(content.shown, 1));
  }

  turn([aroundDegrees, tiltDegrees]: Turn): void {
    const [around, tilt] = [(aroundDegrees * Math.PI) / 180, (tiltDegrees * Math.PI) / 180];
    const [cosA, sinA, cosT, sinT] = [Math.cos(around), Math.sin(around), Math.cos(tilt), Math.sin(tilt)];
    const turned = new Matrix4();
    turned.set(cosA, -sinA, 0, 0, sinA * sinT, cosA * sinT, cosT, 0, -sinA * cosT, -cosA * cosT, sinT, 0, 0, 0, 0, 1);
    for (const part of [this.#points, this.#discs]) {
      part.matrix.copy(turned);
      part.matrixWorldNeedsUpdate = true;
    }
  }

  draw(window: Window, moving: boolean): void {
    const content = this.#content;
    if (content === null) return;
    const ratio = this.#fit(window);
    const discs = discsIn(content, window);
    if (discs === null) {
      const most = moving && this.#pointMs > 0 ? Math.max(SAMPLE, MOVED_MS / this.#pointMs) : Infinity;
      this.#drawPicture(content, window, ratio, Math.min(content.shown.length, Math.floor(most)));
    } else {
      this.#discs.geometry.setIndex(new BufferAttribute(discs, 1));
      this.#disc.uniforms.size!.value = discPx(discs.length) * ratio;
      this.#render(this.#discs, null);
    }
  }

  /** How many milliseconds all points would take, from drawing some of them. The card is handed no others for it. */
  measure(window: Window): number {
    const content = this.#content;
    if (content === null) return 0;
    const ratio = this.#fit(window);
    const count = Math.min(SAMPLE, content.plane.count);
    const all = this.#points.geometry;
    const some = new BufferGeometry();
    for (const [name, values] of Object.entries(all.attributes)) {
      const { array, itemSize, normalized } = values as BufferAttribute;
      some.setAttribute(name, new BufferAttribute(array.slice(0, count * itemSize), itemSize, normalized));
    }
    this.#points.geometry = some;
    // The first time what draws is compiled.
    let took = 0;
    for (let time = 0; time < 2; time++) {
      const began = performance.now();
      this.#drawPicture(content, window, ratio, count);
      this.#finish();
      took = performance.now() - began;
    }
    this.#points.geometry = all;
    some.dispose();
    this.#pointMs = took / Math.max(1, count);
    return this.#pointMs * content.shown.length;
  }

  dispose(): void {
    this.#renderer.dispose();
    this.#sums.dispose();
    this.#points.geometry.dispose();
    this.#discs.geometry.dispose();
    this.element.remove();
  }

  #drawPicture(content: Content, window: Window, ratio: number, count: number): void {
    const wider = spread(content.shown.length);
    this.#counted.uniforms.size!.value = (2 * wider + 1) * ratio;
    this.#points.geometry.setDrawRange(0, count);
    this.#rank(content, window, wider, count);
    this.#render(this.#points, this.#sums);
    this.#render(this.#whole, null);
  }

  /** How opaque a pixel is by its number of points: from a part of them, counted on pixels that are larger by as much. */
  #rank({ plane, shown }: Content, window: Window, wider: number, count: number): void {
    const counted = Math.min(SAMPLE, count);
    const side = (2 * wider + 1) * Math.sqrt(count / Math.max(1, counted)) * unitOf(window);
    const [[left, right], [low, high]] = [window.x, window.y];
    const width = Math.ceil((right - left) / side) + 1;
    const counts = new Uint32Array(width * (Math.ceil((high - low) / side) + 1));
    for (let next = 0; next < counted; next++) {
      const [x, y] = [plane.x[shown[next]!]!, plane.y[shown[next]!]!];
      if (x < left || x > right || y < low || y > high) continue;
      const pixel = Math.floor((y - low) / side) * width + Math.floor((x - left) / side);
      counts[pixel] = counts[pixel]! + 1;
    }
    const rank = ranks(counts, 0, 1);
    const table = this.#ranks.image.data as Uint8Array;
    for (let points = 0; points < RANKS; points++) table[points] = 255 * rank[Math.min(points, rank.length - 1)]!;
    this.#ranks.needsUpdate = true;
  }

  #fit(window: Window): number {
    const ratio = Math.min(2, devicePixelRatio);
    const [width, height] = [Math.round(window.widthPx * ratio), Math.round(window.heightPx * ratio)];
    if (this.element.width !== width || this.element.height !== height) {
      this.#renderer.setSize(width, height, false);
      this.#sums.setSize(width, height);
    }
    const [[left, right], [low, high]] = [window.x, window.y];
    Object.assign(this.#camera, { left, right, top: high, bottom: low, near: -1, far: 1 });
    this.#camera.updateProjectionMatrix();
    return ratio;
  }

  #render(part: Object3D, target: WebGLRenderTarget | null): void {
    this.#renderer.setRenderTarget(target);
    this.#renderer.clear();
    this.#renderer.render(part, part === this.#whole ? new Camera() : this.#camera);
  }

  /** Waits until the card has drawn. */
  #finish(): void {
    this.#gl.readPixels(0, 0, 1, 1, this.#gl.RGBA, this.#gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  /** Gives points and discs the same values. */
  #share(name: string, values: BufferAttribute): void {
    for (const part of [this.#points, this.#discs]) {
      // Another geometry, so that the card forgets the values before.
      part.geometry.dispose();
      const { geometry } = part;
      part.geometry = new BufferGeometry();
      for (const [other, kept] of Object.entries(geometry.attributes)) part.geometry.setAttribute(other, kept);
      part.geometry.setAttribute(name, values);
    }
  }
}

function material(vertexShader: string, fragmentShader: string, values: Record<string, unknown>): ShaderMaterial {
  return new ShaderMaterial({
    vertexShader,
    fragmentShader,
    uniforms: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }])),
    depthTest: false,
    depthWrite: false,
    blending: CustomBlending,
    blendEquation: AddEquation,
    blendSrc: OneFactor,
    blendDst: fragmentShader === COUNTED ? OneFactor : OneMinusSrcAlphaFactor,
  });
}

function coloursOf({ colouring }: Content): Uint8Array {
  const lines = colouring.colours.map(rgb);
  const colours = new Uint8Array(4 * colouring.codes.length);
  for (let index = 0; index < colouring.codes.length; index++) {
    const [red, green, blue] = lines[colouring.codes[index]!]!;
    colours[4 * index] = red;
    colours[4 * index + 1] = green;
    colours[4 * index + 2] = blue;
  }
  return colours;
}
