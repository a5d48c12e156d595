// The explorer's templates as functions: nunjucks compiles them here, so that the browser neither parses nor evaluates any.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import nunjucks from "nunjucks";
import { transform } from "nunjucks/src/transformer.js";

const FOLDER = fileURLToPath(new URL("../synapse_assets/explorer/templates/", import.meta.url));
const PAGES = ["search", "gallery", "cluster", "synapse", "sorry", "parts", "stability"];
// Header and frame of a page are in its file already: a rendered page is its title and what stands in <main>.
const BASE = "{% block title %}{% endblock %}\f{% block main %}{% endblock %}";

const { Compiler } = nunjucks.compiler;
const { Literal } = nunjucks.nodes;

/** Compiles what means something else in JavaScript as Jinja means it: what counts as true, and `a.b` beside `a[b]`. */
class JinjaCompiler extends Compiler {
  truth(node, frame) {
    this._emit("runtime.truth(");
    this._compileExpression(node, frame);
    this._emit(")");
  }

  either(node, frame, isTaken) {
    const value = this._tmpid();
    this._emit(`(function(${value}) { return ${isTaken(`runtime.truth(${value})`)} ? ${value} : `);
    this._compileExpression(node.right, frame);
    this._emit("; })(");
    this._compileExpression(node.left, frame);
    this._emit(")");
  }

  compileOr(node, frame) {
    this.either(node, frame, (truth) => truth);
  }

  compileAnd(node, frame) {
    this.either(node, frame, (truth) => `!${truth}`);
  }

  compileNot(node, frame) {
    this._emit("!");
    this.truth(node.target, frame);
  }

  compileIf(node, frame, async) {
    super.compileIf({ ...node, cond: { truth: node.cond }, body: node.body, else_: node.else_ }, frame, async);
  }

  compileInlineIf(node, frame) {
    this._emit("(");
    this.truth(node.cond, frame);
    this._emit(" ? ");
    this._compileExpression(node.body, frame);
    this._emit(" : ");
    if (node.else_) this._compileExpression(node.else_, frame);
    else this._emit('""');
    this._emit(")");
  }

  compileLookupVal(node, frame) {
    if (node.val instanceof Literal) {
      super.compileLookupVal(node, frame);
      return;
    }
    this._emit("runtime.item((");
    this._compileExpression(node.target, frame);
    this._emit("),(");
    this._compileExpression(node.val, frame);
    this._emit("))");
  }

  _compileExpression(node, frame) {
    if (node.truth) this.truth(node.truth, frame);
    else super._compileExpression(node, frame);
  }
}

/** A JavaScript module that exports the compiled templates by their names. */
export function compiledTemplates() {
  const sources = PAGES.map((name) => [`${name}.html`, readFileSync(`${FOLDER}${name}.html`, "utf-8")]);
  const compiled = [["base.html", BASE], ...sources].map(([name, source]) => {
    const compiler = new JinjaCompiler(name, false);
    compiler.compile(transform(nunjucks.parser.parse(source, [], {}), [], name));
    return `${JSON.stringify(name)}: (function() {\n${compiler.getCode()}\n})()`;
  });
  return `export default {\n${compiled.join(",\n")}\n};\n`;
}

/** A plugin of esbuild and of Vite that knows the module `templates`. */
export const esbuildTemplates = {
  name: "templates",
  setup(build) {
    build.onResolve({ filter: /^explorer-templates$/ }, () => ({ path: "explorer-templates", namespace: "templates" }));
    build.onLoad({ filter: /.*/, namespace: "templates" }, () => ({ contents: compiledTemplates(), loader: "js" }));
  },
};
export const viteTemplates = {
  name: "templates",
  resolveId: (id) => (id === "explorer-templates" ? id : null),
  load: (id) => (id === "explorer-templates" ? compiledTemplates() : null),
};
