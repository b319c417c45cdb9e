/**
 * A local folder that is deleted once its owner has retired it and no query reads it any more.
 */
import { rm } from 'node:fs/promises'

export class HeldFolder {
  readonly path: string
  #holders = 0
  #isRetired = false

  constructor(path: string) {
    this.path = path
  }

  hold(): void {
    this.#holders++
  }

  async release(): Promise<void> {
    this.#holders--
    await this.#removeWhenFree()
  }

  /** The owner no longer needs the folder. */
  async retire(): Promise<void> {
    this.#isRetired = true
    await this.#removeWhenFree()
  }

  async #removeWhenFree(): Promise<void> {
    if (!this.#isRetired || this.#holders > 0) return
    await rm(this.path, { recursive: true, force: true })
  }
}
