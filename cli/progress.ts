// What takes longer than a second says so, on stderr: one line that turns where there is a terminal, plain lines elsewhere.

const patienceMs = 1000
const tickMs = 120
const turns = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

/** Shows `what` while `work` runs, once it has taken more than a second. */
export async function withProgress<T>(what: string, work: Promise<T>, stream: NodeJS.WriteStream = process.stderr): Promise<T> {
  const startedAt = Date.now()
  let turn = 0
  const show = () => {
    const seconds = Math.round((Date.now() - startedAt) / 1000)
    if (stream.isTTY) stream.write(`\r\u001b[K${turns[turn++ % turns.length]} ${what} ${seconds} s`)
    else stream.write(`${what} …\n`)
  }
  let ticks: NodeJS.Timeout | undefined
  const first = setTimeout(() => {
    show()
    if (stream.isTTY) ticks = setInterval(show, tickMs)
  }, patienceMs)
  try {
    return await work
  } finally {
    clearTimeout(first)
    clearInterval(ticks)
    if (ticks && stream.isTTY) stream.write('\r\u001b[K')
  }
}
