// Addresses of pages and of what is in them, as `synapse_assets/explorer/urls.py` makes them for the explorer.

/** `quote(text, safe="")`. */
export function quote(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The filter `urlencode` of Jinja: slashes stay. */
export function quotePath(text: string): string {
  return quote(text).replaceAll("%2F", "/");
}

/** Names and values as in the part of a URL after the `?`. */
export function urlencode(pairs: Iterable<readonly [string, string]>): string {
  const plus = (text: string) => quote(text).replaceAll("%20", "+");
  return [...pairs].map(([name, value]) => `${plus(name)}=${plus(value)}`).join("&");
}

/** The addresses that templates call by name. `root`: the folder of the site, without a slash at the end. */
export function addresses(root: string) {
  const at = (entry: string) => `${root}/${quote(entry)}`;
  return {
    at,
    /** The page of a synapse; the explorer has the id in the path, which a folder of files cannot. */
    card_url: (entry: string, synapseId: string) => `${at(entry)}/synapse/?synapse_id=${quote(synapseId)}`,
    neuron_url: (entry: string, neuronId: string) => `${at(entry)}/neuron/${quote(neuronId)}`,
  };
}
