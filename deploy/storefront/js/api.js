// Reads the public part of the API.
export const { api: base, key } = window.etalase;

// The data at an address below /v1/storefront/, or an Error with the answer's `status` and, where it has one, `code`.
export async function get(path, parameters, signal) {
  const query = String(new URLSearchParams(parameters ?? {}));
  const answer = await fetch(`${base}/v1/storefront/${path}${query && "?"}${query}`, { headers: { "Accept-Language": document.documentElement.lang, ...(key && { "X-Api-Key": key }) }, signal });
  if (answer.ok) return answer.headers.get("content-type").includes("json") ? answer.json() : answer.blob();
  const problem = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(problem.title ?? answer.statusText), { status: answer.status, code: problem.code });
}
