// What an order costs: plain code that services share.

export interface Line {
  /** @pattern ^[A-Z]{2}-[0-9]{3,6}$ */
  sku: string
  /**
   * @minimum 1
   * @maximum 999
   */
  quantity: number
  /**
   * In cents.
   * @minimum 0
   */
  unit_price: number
}

export function totalOf(lines: readonly Line[]): number {
  return lines.reduce((total, line) => total + line.quantity * line.unit_price, 0)
}
