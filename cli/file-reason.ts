/** Why a file or directory could not be read or written, to be put behind "as". */
export function fileReason(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException // what fs throws
  return reasons[code] ?? message
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a file is where a directory is needed',
  EEXIST: 'a file is where a directory is needed',
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EROFS: 'its file system is read-only',
  ENOSPC: 'its file system is full',
}
