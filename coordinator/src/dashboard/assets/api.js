// Requests to the coordinator. The operator's token, where one is asked for, lives as long as the tab does.

const KEY = "toolwave.token";

/** A request that was refused, or did not arrive (`status` 0). */
export class ApiError extends Error {
  constructor(status, { reason = "", message = "", violations = [] } = {}) {
    super(message || (status ? `the coordinator answered ${status}` : "the coordinator cannot be reached"));
    this.status = status;
    this.reason = reason;
    this.violations = violations;
  }
}

export const token = {
  read: () => sessionStorage.getItem(KEY),
  keep: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** The answer, once its headers are there; `signal` ends it. */
export async function request(path, options = {}) {
  const headers = { ...options.headers };
  if (token.read()) headers.authorization = `Bearer ${token.read()}`;
  let response;
  try {
    response = await fetch(`/api/${path}`, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0);
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new ApiError(response.status, body.error);
}

export const get = async (path) => (await request(path)).json();

/** Changes something. */
export async function post(path, body = "{}", signal = undefined) {
  const headers = { "content-type": "application/json" };
  return (await request(path, { method: "POST", headers, body, signal })).json();
}
