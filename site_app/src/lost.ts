// The script of 404.html: sends the explorer's addresses of cards on to those of the site. It stands inside of the page, whose folder a
// lost address does not tell.

import { cardOfPermalink } from "./places";

const entries = JSON.parse(document.body.dataset.entries ?? "[]") as string[];
const card = cardOfPermalink(location.pathname, entries);
if (card) location.replace(card);
