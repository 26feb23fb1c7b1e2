import { Command } from 'commander'
export function typesCommand() { return new Command('types') }
