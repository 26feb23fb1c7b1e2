// The supervisor: a tiny parent that starts, watches, kills and restarts control and the workers. It reads no configuration
// and no messages. It holds the listening descriptors unread, so that children may die and come back while no connection
// is refused. Run as: node supervisor.ts '<Roster as JSON>' with the descriptors the roster names.

import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import process from 'node:process'

export interface Roster {
  /** The end of this pipe means that the binder is gone. */
  readonly binderFd: number
  readonly members: readonly Member[]
  /** A child that does not beat for so long is killed. */
  readonly silentMs: number
  /** How long children may take to end once told. */
  readonly graceMs: number
}

export interface Member {
  readonly title: string
  readonly execArgv: readonly string[]
  readonly script: string
  readonly args: readonly string[]
  /** Descriptor of the supervisor that the child gets as 3; its lifeline is 4. */
  readonly fd: number
}

interface Child {
  readonly member: Member
  process: ChildProcess | null
  startedAt: number
  beatAt: number
  failures: number
}

/** A child that lived so long was not part of a crash loop. */
const settledMs = 10_000
const longestPauseMs = 5_000
/** Until its first beat a child may be slow: it loads its code on a busy machine. */
const bootMs = 30_000

export function supervise(roster: Roster, binder: { on(event: 'close', listener: () => void): unknown }): void {
  const children: Child[] = roster.members.map(member => ({ member, process: null, startedAt: 0, beatAt: 0, failures: 0 }))
  let stopping = false

  for (const child of children) start(child)
  const watch = setInterval(killSilent, roster.silentMs / 5)
  binder.on('close', stop)
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)

  function start(child: Child): void {
    const { execArgv, script, args, fd } = child.member
    const spawned = spawn(process.execPath, [...execArgv, script, ...args], { stdio: ['ignore', 'inherit', 'inherit', fd, 'pipe'] })
    child.process = spawned
    child.startedAt = Date.now()
    child.beatAt = child.startedAt + bootMs
    const lifeline = spawned.stdio[4] as Socket // 'pipe' above makes it a socket
    lifeline.on('data', () => {
      child.beatAt = Date.now()
    })
    lifeline.on('error', () => spawned.kill('SIGKILL'))
    spawned.on('error', () => restart(child))
    spawned.on('exit', () => restart(child))
  }

  function restart(child: Child): void {
    child.process = null
    if (stopping) return endWhenAlone()
    child.failures = Date.now() - child.startedAt > settledMs ? 0 : child.failures + 1
    // The first restart comes at once; a crash loop slows down.
    const pauseMs = child.failures <= 2 ? 0 : Math.min(100 * 2 ** (child.failures - 2), longestPauseMs)
    setTimeout(() => {
      if (!stopping) start(child)
    }, pauseMs)
  }

  function killSilent(): void {
    for (const child of children) if (child.process && Date.now() - child.beatAt > roster.silentMs) child.process.kill('SIGKILL')
  }

  function stop(): void {
    if (stopping) return
    stopping = true
    for (const { process } of children) process?.kill('SIGTERM')
    setTimeout(() => {
      for (const child of children) child.process?.kill('SIGKILL')
    }, roster.graceMs).unref()
    endWhenAlone()
  }

  function endWhenAlone(): void {
    if (children.some(child => child.process !== null)) return
    clearInterval(watch)
    process.exit(0)
  }
}
