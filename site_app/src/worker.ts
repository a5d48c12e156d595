// The engine in a worker, so that no page stalls; or, where a page has no worker, in that page, which loads this script itself.

import { expose } from "comlink";
import { Engine } from "./engine";

if (typeof document === "undefined") expose(new Engine());
else (globalThis as { siteEngine?: Engine }).siteEngine = new Engine();
