/** Where tests keep what they download and what they run; both folders are named by .gitignore. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repositoryRoot = fileURLToPath(new URL('../../../', import.meta.url))

/** Downloads and builds, one folder per name and version, shared by every run. */
export const servicesCache = join(repositoryRoot, '.cache', 'services')

/** Pid files, logs and data of what runs now. */
export const runFolder = join(repositoryRoot, '.cache', 'run')
