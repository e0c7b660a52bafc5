// `redocly diff` for one pair of files after another, in one process: to start Node.js and to load the
// program costs several times what a comparison does. Reads lines of JSON, [old, new, report]; answers
// each with a line, `done` when the report is written and `failed` when it was given up.
import fs from 'node:fs'
import readline from 'node:readline'
import { pathToFileURL } from 'node:url'

const [program, config, seconds] = process.argv.slice(2)
let ended = false
const end = () => { ended = true }
process.exit = () => { ended = true; throw new Error('it asked to exit') }
process.on('unhandledRejection', end)
process.on('uncaughtException', end)
const answer = process.stdout.write.bind(process.stdout)
process.stdout.write = process.stderr.write = () => true

let number = 0
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [old, changed, report] = JSON.parse(line)
  process.argv = [process.argv[0], program, 'diff', old, changed, '--format', 'json', '--output', report, '--config', config]
  ended = false
  // Another query makes another module of the program's entry, which runs what process.argv says.
  await import(`${pathToFileURL(program).href}?${number++}`)
  const last = Date.now() + 1000 * seconds
  while (!ended && Date.now() < last && !fs.existsSync(report)) await new Promise(next => setTimeout(next, 2))
  answer(fs.existsSync(report) ? 'done\n' : 'failed\n')
}
