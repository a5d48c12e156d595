// Elements made of plain texts: nothing that comes from data is ever read as markup.

type Child = Node | string | null;
type Attributes = Readonly<Record<string, string | boolean | number | null>>;

/** An element with these attributes (true: without a value; false and null: absent) and children; null children are left out. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== false && value !== null) made.setAttribute(attribute, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A part of the page whose style is its own, and its content. */
export class Pane {
  readonly element = document.createElement("div");
  readonly root = this.element.attachShadow({ mode: "open" });

  constructor(style: CSSStyleSheet) {
    this.root.adoptedStyleSheets = [style];
  }

  /** Shows these instead of what was there. */
  show(...children: Child[]): void {
    this.root.replaceChildren(...children.filter((child) => child !== null));
  }
}
