/** `tide doctor`: is everything in place, and what to do where it is not. */
import type { Command } from 'commander'
import type { CliContext } from '../../frame/context.ts'

export interface DoctorOptions {
  readonly createBucket?: boolean
  readonly policies?: string
}

export function addDoctor(program: Command, context: CliContext): void {
  program
    .command('doctor')
    .description('check Node, settings, store (with a compare-and-swap race), clock and brokers')
    .argument('[files...]', 'stream files or directories (default: streams/)')
    .option('--create-bucket', 'create the bucket of the warehouse when it is missing')
    .option('--policies <dir>', 'write least-privilege policies for the bucket, one per role')
    .action(async (files: readonly string[], options: DoctorOptions) => {
      const { runDoctor } = await import('./run-doctor.ts')
      await runDoctor(context, files, options)
    })
}
