// SPDX-License-Identifier: LGPL-2.1-or-later
//
// npm's xen-api, unmodified, on a leash: connects with its event cache on, then takes a request a
// line from stdin, {"id", "op", "args"}, and answers each with {"id", "result"} or {"id", "error":
// [code, …params]}. The line with id 0 says that it is connected and has fetched all objects.
//
//	node xen_api.mjs FOLDER_OF_XEN_API URL USER PASSWORD TRANSPORT
import { createReadStream, statSync } from 'node:fs'
import { createInterface } from 'node:readline'

const [folder, url, user, password, transport] = process.argv.slice(2)
const { Xapi } = await import(`${folder}/index.mjs`)

const xapi = new Xapi({
  url,
  auth: { user, password },
  transport,
  allowUnauthorized: true,
  eventPollDelay: 100, // ms after events have failed
})

// The cache's objects carry more than the record does: helpers that begin with $.
const record = object =>
  object && Object.fromEntries(Object.entries(object).filter(([name]) => !name.startsWith('$')))

const cached = ref => record(xapi.getObjectByRef(ref, null))

// Until events have brought what is wanted into the cache.
const until = async (ref, wanted) => {
  const holds = object =>
    wanted === null
      ? object === null
      : object !== null && Object.keys(wanted).every(name => object[name] === wanted[name])

  while (!holds(cached(ref))) {
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return cached(ref)
}

const ops = {
  cached,
  until,
  barrier: ref => xapi.barrier(ref).then(record),
  call: (...args) => xapi.call(...args),
  callAsync: (...args) => xapi.callAsync(...args),
  // What a GET of a path answers, when the task that stands for it has ended.
  get: async (path, query) => {
    const response = await xapi.getResource(path, { query })
    const text = await response.body.text()
    await response.task
    return text
  },
  // PUTs a file and waits for the task; IS_COUNTED: its length is known.
  put: (path, query, file, isCounted) => {
    const body = createReadStream(file)
    if (isCounted) {
      body.length = statSync(file).size
    }
    return xapi.putResource(body, path, { query })
  },
  refs: type =>
    Object.values(xapi.objects.all)
      .filter(object => object.$type === type)
      .map(object => object.$ref),
  session: () => xapi.sessionId,
  setFieldEntry: (...args) => xapi.setFieldEntry(...args),
}

const answer = (id, rest) => process.stdout.write(JSON.stringify({ id, ...rest }) + '\n')
const failed = error => ({ error: error.code ? [error.code, ...(error.params ?? [])] : [String(error)] })

try {
  await xapi.connect()
  await xapi.objectsFetched
  answer(0, { result: xapi.pool.uuid })
} catch (error) {
  answer(0, failed(error))
  process.exit(1)
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, op, args } = JSON.parse(line)

  // several may be under way
  Promise.resolve()
    .then(() => ops[op](...args))
    .then(
      result => answer(id, { result: result ?? null }),
      error => answer(id, failed(error))
    )
}
await xapi.disconnect()
process.exit(0)
