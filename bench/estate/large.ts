// A generated estate: so many files of 50 resources, 60 % of them channels, the rest what channels need, and connections that are
// switched off or answer nothing. Deterministic: the same number of files is the same estate.

export const perFile = 50
const channelsPerFile = 30
const services = 8

/** Path → text. `environment` is what the environment.yaml says besides its name. */
export function largeEstate(files: number, environment: string): Record<string, string> {
  const texts: Record<string, string> = { 'environments/dev/environment.yaml': `environment: dev\n${environment}` }
  for (let service = 0; service < services; service++) texts[servicePath(service)] = serviceText(service, 0)
  for (let file = 0; file < files; file++) texts[filePath(file)] = fileText(file, 0)
  return texts
}

export function filePath(file: number): string {
  return `environments/dev/area-${String(file).padStart(4, '0')}.yaml`
}

/** One file; another `edition` changes its first channel and nothing else. */
export function fileText(file: number, edition: number): string {
  return [
    'channel_rest:',
    ...Array.from({ length: channelsPerFile }, (_, at) => channelText(file, at, at === 0 ? edition : 0)),
    'security:',
    ...Array.from({ length: 8 }, (_, at) => securityText(file, at)),
    'groups:',
    `  - name: group-${file}\n    members: [key-${file}-0, key-${file}-2]`,
    'outgoing_rest:',
    ...Array.from({ length: 6 }, (_, at) => outgoingText(file, at)),
    'sql:',
    ...Array.from({ length: 3 }, (_, at) => sqlText(file, at)),
    'redis:',
    ...Array.from({ length: 2 }, (_, at) => redisText(file, at)),
    '',
  ].join('\n')
}

export function servicePath(service: number): string {
  return `services/area/answer-${service}.ts`
}

export function serviceText(service: number, edition: number): string {
  return `import { service } from 'plumb-server'

interface Request${service} {
  id?: string
  client_id?: number
  tags?: string[]
}

/** Answers with its edition. */
export const answer${service} = service<Request${service}, { edition: number; id: string | null }>({
  name: 'area.answer-${service}',
  async handle(request) {
    return { edition: ${edition}, id: request.id ?? null }
  },
})
`
}

/** Of the first channel of a file: public, its content type ends with the edition. */
export function firstChannel(file: number): string {
  return `/api/v1/area-${file}/thing-0/7`
}

function channelText(file: number, at: number, edition: number): string {
  const guard =
    at === 0 || at % 3 === 1
      ? 'public: true'
      : at % 3 === 2
        ? `security: key-${file}-${at % 8 === 7 ? 0 : at % 8}`
        : `groups: [group-${file}]`
  return `  - name: channel-${file}-${at}
    service: area.answer-${at % services}
    url_path: /api/v1/area-${file}/thing-${at}/{id}
    method: ${at % 2 === 0 ? 'GET' : 'POST'}${at === 0 ? `\n    content_type: application/json; edition=${edition}` : ''}
    ${guard}`
}

function securityText(file: number, at: number): string {
  const name = `key-${file}-${at}`
  return at % 2 === 0
    ? `  - name: ${name}\n    type: apikey\n    header: X-API-Key\n    password: 'secret of ${name}'`
    : `  - name: ${name}\n    type: basic_auth\n    username: user-${file}-${at}\n    password: 'secret of ${name}'`
}

/** The first of a file is switched on and answers nothing. */
function outgoingText(file: number, at: number): string {
  return `  - name: system-${file}-${at}
    is_active: ${at === 0}
    host: http://127.0.0.1:1
    url_path: /api/${file}/{id}
    security: key-${file}-${at % 2 === 0 ? 1 : 3}
    timeout: 4`
}

function sqlText(file: number, at: number): string {
  return `  - name: database-${file}-${at}
    is_active: ${at === 0}
    type: postgresql
    host: 127.0.0.1
    port: 1
    db_name: area_${file}
    username: plumb
    password: 'secret of database-${file}-${at}'
    pool_size: 2`
}

function redisText(file: number, at: number): string {
  return `  - name: cache-${file}-${at}\n    is_active: false\n    host: 127.0.0.1\n    port: 1`
}
