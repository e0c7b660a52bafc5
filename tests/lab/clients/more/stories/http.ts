// The function that orval's client calls in place of fetch (`mutator`): it knows the address and the token.
let base = "";
let headers: Record<string, string> = {};

/** From now on, calls go to this address with this token. */
export function use(url: string, token?: string): void {
  base = url;
  headers = token ? { Authorization: `Bearer ${token}` } : {};
}

export async function http<T>(path: string, options: RequestInit): Promise<T> {
  const answer = await fetch(`${base}${path}`, {
    ...options,
    headers: { ...headers, ...(options.headers as Record<string, string>) },
  });
  const text = await answer.text();
  const data: unknown = answer.headers.get("Content-Type")?.includes("json") ? JSON.parse(text) : text;
  return { status: answer.status, headers: answer.headers, data } as T;
}
