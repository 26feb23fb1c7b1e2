import { Socket } from 'node:net'
import { type Roster, supervise } from './supervisor.ts'

process.title = 'plumb supervisor'
const roster = JSON.parse(process.argv[2] ?? '') as Roster // written by the binder
const binder = new Socket({ fd: roster.binderFd, readable: true, writable: true })
binder.on('error', () => binder.destroy())
binder.resume()
supervise(roster, binder)
