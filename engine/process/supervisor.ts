// The supervisor: a tiny parent that starts, watches, kills and restarts control and the workers. It reads no configuration
// and no messages. It holds the listening descriptors unread, so that children may die and come back while no connection
// is refused. Run as: node supervisor.ts '<Roster as JSON>' with the descriptors the roster names.

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
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
  /** Names of the process variables it gets. */
  readonly env: readonly string[] | 'all'
  /** Descriptor of the supervisor that the child gets as 3; its lifeline is 4. */
  readonly fd: number
}

interface Child {
  readonly member: Member
  process: ChildProcess | null
  /** Milliseconds of `performance.now()`, which no change of the clock moves. */
  startedAt: number
  beatAt: number
  failures: number
  /** One life of it was long enough to be no failed start. */
  hasSettled: boolean
}

/**
 * How a child ends that no restart can help, EX_CONFIG of sysexits.h: it has said why. Where it never settled everything ends with
 * it; where it did, it is started again like any other, as the others serve.
 */
export const hopeless = 78
/** A child that lived so long was not part of a crash loop. */
const settledMs = 10_000
const longestPauseMs = 5_000
/** Until its first beat a child may be slow: it loads its code on a busy machine. */
const bootMs = 30_000

export function supervise(roster: Roster, binder: { on(event: 'close', listener: () => void): unknown }): void {
  const children: Child[] = roster.members.map(member => ({
    member,
    process: null,
    startedAt: 0,
    beatAt: 0,
    failures: 0,
    hasSettled: false,
  }))
  const lookMs = roster.silentMs / 5
  let lookedAt = performance.now()
  let status: number | null = null

  for (const child of children) start(child)
  const watch = setInterval(killSilent, lookMs)
  binder.on('close', () => stop(0))
  process.on('SIGTERM', askedToStop)
  process.on('SIGINT', askedToStop)

  function start(child: Child): void {
    const { execArgv, script, args, env, fd } = child.member
    const spawned = spawn(process.execPath, [...execArgv, script, ...args], {
      env: env === 'all' ? process.env : Object.fromEntries(env.map(name => [name, process.env[name]])),
      stdio: ['ignore', 'inherit', 'inherit', fd, 'pipe'],
    })
    child.process = spawned
    child.startedAt = performance.now()
    child.beatAt = child.startedAt + bootMs
    const lifeline = spawned.stdio[4] as Socket | undefined // 'pipe' above makes it a socket; there is none where the process did not start
    lifeline?.on('data', () => {
      child.beatAt = performance.now()
    })
    lifeline?.on('error', () => spawned.kill('SIGKILL'))
    spawned.on('error', () => {
      // Only where it was never there: a running child ends by `exit`.
      if (spawned.pid === undefined) restart(child, null)
    })
    spawned.on('exit', code => restart(child, code))
  }

  function restart(child: Child, code: number | null): void {
    child.process = null
    if (status !== null) return endWhenAlone()
    const isSettled = performance.now() - child.startedAt > settledMs
    child.hasSettled ||= isSettled
    if (code === hopeless && !child.hasSettled) return stop(hopeless)
    child.failures = isSettled ? 0 : child.failures + 1
    // The first restart comes at once; a crash loop slows down.
    const pauseMs = child.failures <= 2 ? 0 : Math.min(100 * 2 ** (child.failures - 2), longestPauseMs)
    setTimeout(() => {
      if (status === null) start(child)
    }, pauseMs)
  }

  function killSilent(): void {
    const now = performance.now()
    const slept = now - lookedAt > 2 * lookMs
    lookedAt = now
    for (const child of children) {
      // The machine, or this process, was stopped: what the children sent meanwhile has not been read.
      if (slept) child.beatAt = Math.max(child.beatAt, now)
      if (child.process && now - child.beatAt > roster.silentMs) child.process.kill('SIGKILL')
    }
  }

  /** Asked a second time, the children end at once, and safely. */
  function askedToStop(): void {
    if (status === null) return stop(0)
    for (const { process } of children) process?.kill('SIGTERM')
  }

  function stop(exitStatus: number): void {
    if (status !== null) return
    status = exitStatus
    for (const { process } of children) process?.kill('SIGTERM')
    // Whoever starts next gets the ports as soon as the children let go of them.
    for (const fd of new Set(roster.members.map(member => member.fd))) closeSync(fd)
    setTimeout(() => {
      for (const child of children) child.process?.kill('SIGKILL')
    }, roster.graceMs).unref()
    endWhenAlone()
  }

  function endWhenAlone(): void {
    if (children.some(child => child.process !== null)) return
    clearInterval(watch)
    process.exit(status ?? 0)
  }
}
