// What the text of a plain scalar says beyond its JSON value. YAML 1.1, which Zato reads, and YAML 1.2, which we read, differ here.

/** What YAML 1.1, which Zato reads, takes for a boolean and YAML 1.2 for a text. */
export function booleanOfYaml11(text: string): boolean | undefined {
  return /^(?:y|yes|on)$/i.test(text) ? true : /^(?:n|no|off)$/i.test(text) ? false : undefined
}

/** Whether `value` is another number than `source` says to a reader of YAML 1.1 or 1.2: digits lost, or a leading zero (octal in one, decimal in the other). */
export function isLossy(source: string, value: number): boolean {
  if (/^[-+]?0[0-9_]+$/.test(source)) return true
  if (/^[-+]?0[xo]/i.test(source)) return !Number.isSafeInteger(value)
  return significant(source) !== significant(String(value))
}

/** @param path of the field that would take the number */
export function lossyMessage(path: readonly (string | number)[]): string {
  return `Cannot take the number in "${path.join('.')}" as another one would be stored; write it without leading zeros and with at most 15 digits, or in quotes if it is a text`
}

/** Digits and exponent in one normal form: `1.50e3` and `1500` agree. */
function significant(text: string): string {
  const [, whole = '', fraction = '', exponent = '0'] = /^[-+]?([0-9]*)\.?([0-9]*)(?:[eE]([-+]?[0-9]+))?$/.exec(text) ?? []
  const digits = (whole + fraction).replace(/^0+/, '')
  const kept = digits.replace(/0+$/, '')
  if (kept === '') return '0'
  return `${kept}e${Number(exponent) - fraction.length + digits.length - kept.length}`
}
