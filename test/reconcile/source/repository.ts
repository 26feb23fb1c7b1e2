// Real git repositories in temporary folders, for tests of what reads them.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface Repository extends Disposable {
  /** A temporary folder; the bare repository is `origin.git` in it. */
  readonly folder: string
  readonly url: string
  git(args: readonly string[], input?: string | Buffer): string
  /** Commits exactly `files` on `ref` and returns the commit. */
  commit(files: Readonly<Record<string, string | Buffer>>, options?: { ref?: string; subject?: string }): string
  /** Commits a tree made by `git mktree`, which checks nothing: `mode type id\tpath` records. */
  commitTree(records: readonly string[], ref?: string): string
  blob(content: string | Buffer): string
}

export function createRepository(): Repository {
  const folder = mkdtempSync(join(tmpdir(), 'plumb-git-'))
  const bare = join(folder, 'origin.git')
  const git = (args: readonly string[], input?: string | Buffer) =>
    execFileSync('git', [...args], {
      cwd: folder,
      input: input ?? '',
      env: { ...gitIdentity, GIT_DIR: bare, PATH: process.env.PATH, GIT_INDEX_FILE: join(folder, 'index') },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
      .toString()
      .trim()
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', bare], { env: { ...gitIdentity, PATH: process.env.PATH } })
  const blob = (content: string | Buffer) => git(['hash-object', '-w', '--stdin'], content)
  const seal = (tree: string, ref: string, subject: string) => {
    const parent = tryGit(() => git(['rev-parse', '--verify', '--quiet', ref]))
    const made = git(['commit-tree', tree, '-m', subject, ...(parent ? ['-p', parent] : [])])
    git(['update-ref', ref, made])
    return made
  }
  return {
    folder,
    url: bare,
    git,
    blob,
    commit(files, { ref = 'refs/heads/main', subject = 'Change' } = {}) {
      rmSync(join(folder, 'index'), { force: true })
      const records = Object.entries(files).map(([path, content]) => `100644 ${blob(content)}\t${path}\0`)
      git(['update-index', '-z', '--add', '--index-info'], records.join(''))
      return seal(git(['write-tree']), ref, subject)
    },
    commitTree(records, ref = 'refs/heads/main') {
      return seal(git(['mktree', '-z', '--missing'], `${records.join('\0')}\0`), ref, 'Evil')
    },
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Writes `files` under `folder`. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
}

const gitIdentity = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
}

function tryGit(run: () => string): string | undefined {
  try {
    return run()
  } catch {
    return undefined // the ref is not there yet
  }
}
