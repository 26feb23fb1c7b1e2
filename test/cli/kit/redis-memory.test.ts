import assert from 'node:assert/strict'
import { test } from 'vitest'
import { RedisMemory } from '../../../cli/kit/redis-memory.ts'
import { CommandReader, replyText } from '../../../cli/kit/resp.ts'

// As redis-server 7.0 answers them.
for (const [lines, expected] of [
  [
    ['set a 1', 'incr a', 'incrby a 5', 'decr a', 'get a'],
    ['OK', 2, 7, 6, '6'],
  ],
  [
    ['get a', 'del a', 'exists a', 'ttl a', 'type a'],
    [null, 0, 0, -2, 'none'],
  ],
  [
    ['set a 1 NX', 'set a 2 NX', 'set a 3 XX GET', 'get a'],
    ['OK', null, '1', '3'],
  ],
  [
    ['set a 1 EX 10', 'ttl a', 'persist a', 'ttl a'],
    ['OK', 10, 1, -1],
  ],
  [
    ['setnx a 1', 'setnx a 2', 'getset a 3', 'getdel a', 'get a'],
    [1, 0, '1', '3', null],
  ],
  [
    ['mset a 1 b 2', 'mget a b c', 'keys *', 'append a 2', 'strlen a'],
    ['OK', ['1', '2', null], ['a', 'b'], 2, 2],
  ],
  [
    ['hset h a 1 b 2', 'hget h a', 'hgetall h', 'hincrby h a 4', 'hdel h a b', 'exists h'],
    [2, '1', ['a', '1', 'b', '2'], 5, 2, 0],
  ],
  [
    ['rpush l a b', 'lpush l c d', 'lrange l 0 -1', 'lpop l', 'rpop l', 'llen l'],
    [2, 4, ['d', 'c', 'a', 'b'], 'd', 'b', 2],
  ],
  [
    ['sadd s a b a', 'sismember s a', 'smembers s', 'srem s a', 'scard s'],
    [2, 1, ['a', 'b'], 1, 1],
  ],
] as const)
  test(`the memory answers ${lines.join(', ')}`, () => {
    const memory = new RedisMemory(() => 0)
    const replies = lines.map(line => {
      const [command = '', ...args] = line.split(' ')
      const reply = memory.run(command, args)
      return typeof reply === 'object' && reply !== null && 'status' in reply ? reply.status : reply
    })
    assert.deepEqual(replies, expected)
  })

test('a command that is not known is nobody’s, and one that does not suit the value fails as the server’s does', () => {
  const memory = new RedisMemory(() => 0)
  assert.equal(memory.run('geoadd', []), undefined)
  assert.equal(memory.run('constructor', []), undefined)
  memory.run('set', ['a', 'text'])
  assert.throws(() => memory.run('incr', ['a']), /not an integer/)
  assert.throws(() => memory.run('hget', ['a', 'b']), /^Error: WRONGTYPE/)
})

test('commands are read whole, however their bytes are cut', () => {
  const bytes = Buffer.from('*2\r\n$3\r\nGET\r\n$5\r\nä\r\nb\r\n*1\r\n$4\r\nPING\r\n')
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new CommandReader()
    assert.deepEqual([...reader.read(bytes.subarray(0, cut)), ...reader.read(bytes.subarray(cut))], [['GET', 'ä\r\nb'], ['PING']])
  }
  assert.equal(replyText(['a', 1, null, { status: 'OK' }, new Error('no')]), '*5\r\n$1\r\na\r\n:1\r\n$-1\r\n+OK\r\n-ERR no\r\n')
})
