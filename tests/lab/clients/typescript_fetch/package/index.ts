import createFetchClient, { type Client, type ClientOptions } from "openapi-fetch";
import type { paths } from "./schema.js";

export type { components, operations, paths } from "./schema.js";

/** Un client de l'API ; donnez-lui `baseUrl`, et le jeton dans `headers`. */
export function createClient(options: ClientOptions): Client<paths> {
  return createFetchClient<paths>(options);
}
