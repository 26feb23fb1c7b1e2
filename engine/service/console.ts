// `console` as a module of the estate sees it: what it prints are lines of the log that name the file, not text between them.
// It knows no call; `ctx.log` does.

import { Console } from 'node:console'
import { Writable } from 'node:stream'

type Level = 'info' | 'warn' | 'error'

/** Told what a module printed. */
export type OnPrint = (path: string, level: Level, text: string) => void

/** Made when it is first used: most modules never do. */
export function createConsole(path: string, onPrint: OnPrint): Console {
  let made: Console | null = null
  const own = () => {
    made ??= printing(path, onPrint)
    return made
  }
  return new Proxy(console, {
    get: (target, key) => Reflect.get(Reflect.has(own(), key) ? own() : target, key),
    set: (_, key, value) => Reflect.set(own(), key, value),
  })
}

function printing(path: string, onPrint: OnPrint): Console {
  const stream = (level: Level) =>
    new Writable({
      decodeStrings: false,
      write(text: string, _encoding, done) {
        onPrint(path, level, text.replace(/\n$/, ''))
        done()
      },
    })
  const [stdout, stderr, warnings] = [stream('info'), stream('error'), stream('warn')]
  const { warn } = new Console({ stdout: warnings, stderr: warnings, colorMode: false })
  return Object.assign(new Console({ stdout, stderr, colorMode: false }), { warn })
}
