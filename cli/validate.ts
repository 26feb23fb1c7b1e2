import { Command } from 'commander'
export function validateCommand() { return new Command('validate') }
