/** Whether the machine knows `name` as a time zone of the IANA database; offsets such as `+02:00` name none. */
export function isTimezone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false // Intl says by throwing that it knows no such zone
  }
}
