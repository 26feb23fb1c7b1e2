import { Command } from 'commander'
export function initCommand() { return new Command('init') }
