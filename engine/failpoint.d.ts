/** Marks an instant at which a test may kill, stop, delay or fail the process. Does nothing outside `--conditions=failpoints`. */
export function failpoint(name: string): void
