declare module "explorer-templates" {
  /** Functions of compiled templates, by their names. */
  const templates: Record<string, unknown>;
  export default templates;
}
