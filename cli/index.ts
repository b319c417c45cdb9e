/** cli: one file per command, and the frame around them. */
export { main, runCli } from './run.ts'
