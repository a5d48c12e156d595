// Addresses of the site: which page of an entry a URL is, and where the folder of the site is.

import type { PageName } from "./engine";

/** A page that scripts render, read from its URL. */
export interface Place {
  page: PageName;
  /** The number in the address of a cluster's page; "" on others. */
  cluster: string;
}

/** The page of an entry that scripts render at a URL; null for any other. root: URL of the folder of the site, with a slash at the
 * end. */
export function placeOf(url: URL, root: URL, entry: string): Place | null {
  if (url.origin !== root.origin || !url.pathname.startsWith(root.pathname)) return null;
  const path = url.pathname.slice(root.pathname.length).replace(/\/(index\.html)?$/, "");
  const [name, page, cluster, ...rest] = path.split("/").map(decoded);
  if (name !== entry || rest.length) return null;
  if (page === "clusters" && cluster) return { page: "cluster", cluster };
  const named = page === "search" || page === "gallery" || page === "synapse" ? page : null;
  return named && cluster === undefined ? { page: named, cluster: "" } : null;
}

/** The same URL as a host of files has it: the page is a folder. */
export function asFolder(url: URL): URL {
  const folder = new URL(url);
  folder.pathname = folder.pathname.replace(/\/?(index\.html)?$/, "/");
  return folder;
}

/** The folder that serves a site which was opened from a file, as a command to paste. root: file URL of the folder of the site. */
export function servingCommand(root: URL): string {
  const path = decoded(root.pathname)
    .replace(/^\/(?=[A-Za-z]:)/, "")
    .replace(/(?<=.)\/$/, "");
  const quoted = /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'"'"'`)}'`;
  return `python3 -m http.server --bind 127.0.0.1 --directory ${quoted} 8000`;
}

/** Where a permalink of the explorer leads on the site: of a path .../ENTRY/synapse/ID the card of that id; null for any other path.
 *
 * entries: the names of the entries of the site.
 */
export function cardOfPermalink(pathname: string, entries: readonly string[]): string | null {
  const parts = pathname.split("/");
  const at = parts.findIndex((part, index) => entries.includes(decoded(part)) && parts[index + 1] === "synapse");
  const synapseId = parts
    .slice(at + 2)
    .map(decoded)
    .join("/");
  if (at < 0 || !synapseId) return null;
  return `${parts.slice(0, at + 2).join("/")}/?synapse_id=${encodeURIComponent(synapseId)}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
