// What a service sees of an outgoing REST connection. The SDK writes the same types into estates, without an import.

export type RestMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

export interface RestOptions {
  /** Values of `{name}` segments of the connection's path. */
  readonly params?: Readonly<Record<string, string | number>>
  readonly query?: Readonly<Record<string, string | number | boolean | readonly (string | number | boolean)[] | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** Milliseconds for the whole exchange; the connection's own timeout where absent. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface RestRequest extends RestOptions {
  readonly method: RestMethod
  /** Appended to the connection's path; empty where absent. */
  readonly path?: string
  /** An object or array is sent as JSON; text and bytes as they are. */
  readonly body?: unknown
}

export interface RestResponse<Body = unknown> {
  readonly status: number
  /** Names in lower case; a repeated header is joined by ", ". */
  readonly headers: Readonly<Record<string, string>>
  /** Parsed where the answer is JSON, else text; null where it is empty. */
  readonly body: Body
}

/** An outgoing REST connection. An answer of any status resolves; only a failed exchange rejects. */
export interface RestClient {
  get<Body = unknown>(path?: string, options?: RestOptions): Promise<RestResponse<Body>>
  post<Body = unknown>(path: string, body?: unknown, options?: RestOptions): Promise<RestResponse<Body>>
  put<Body = unknown>(path: string, body?: unknown, options?: RestOptions): Promise<RestResponse<Body>>
  patch<Body = unknown>(path: string, body?: unknown, options?: RestOptions): Promise<RestResponse<Body>>
  delete<Body = unknown>(path?: string, options?: RestOptions): Promise<RestResponse<Body>>
  request<Body = unknown>(request: RestRequest): Promise<RestResponse<Body>>
}
