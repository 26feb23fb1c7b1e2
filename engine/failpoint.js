// Failpoints are compiled in by name and do nothing, unless Node runs with --conditions=failpoints (tests only).
export function failpoint() {}
