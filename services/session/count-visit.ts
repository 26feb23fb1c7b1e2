import { service } from 'plumb-server'

export interface CountVisitRequest {
  /** @pattern ^[A-Za-z0-9_-]{1,64}$ */
  session: string
}

export interface CountVisitResponse {
  visits: number
}

const keptSeconds = 1800

/** Counts the visits of a session; the count ends half an hour after the last one. */
export const countVisit = service<CountVisitRequest, CountVisitResponse>({
  name: 'session.count-visit',
  async handle({ session }, ctx) {
    const redis = ctx.redis('default')
    const key = `session:${session}:visits`
    const visits = await redis.incr(key)
    await redis.expire(key, keptSeconds)
    return { visits }
  },
})
