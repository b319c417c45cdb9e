/**
 * Runs the selected models of a project in the order of their dependencies, several at once where that order
 * allows it, each followed by its tests. Nodes downstream of a failure are not run.
 */
import { errorMessage, randomUuid, UnavailableError } from '../../common/index.ts'
import type { BatchTools, RunFlags } from '../materialize/model-run.ts'
import type { Rendering } from '../materialize/render-model.ts'
import type { Model, Project } from '../project/model.ts'
import { selectModels } from '../project/select.ts'
import { dataTests, type DataTestNode, runDataTest } from './data-tests.ts'
import { runModel } from './run-model.ts'
import { cutMessage, type NodeResult, type RunResults } from './run-results.ts'
import { uniquelyKeyed } from './uniquely-keyed.ts'

export interface RunOptions {
  /** `build`: models, snapshots and their tests; `run`: models; `snapshot`: snapshots; `test`: tests. */
  readonly verb: 'build' | 'run' | 'snapshot' | 'test'
  readonly select?: readonly string[]
  readonly exclude?: readonly string[]
  /** Limits the selected nodes to these, by unique id, as a retry does. */
  readonly only?: readonly string[]
  readonly fullRefresh?: boolean
  readonly discardHistory?: boolean
  readonly window?: RunFlags['window']
  /** Models at a time; default 1. */
  readonly threads?: number
  readonly vars?: Readonly<Record<string, string>>
  /** The result of `env_var('NAME')`. */
  readonly environment?: (name: string) => string | undefined
  /** Interrupts the query that is running; only what was committed stays. */
  readonly signal?: AbortSignal
  readonly onResult?: (result: NodeResult) => void
}

export async function runProject(
  tools: BatchTools,
  project: Project,
  options: RunOptions,
): Promise<RunResults> {
  const startedMs = tools.clock.now()
  const runId = randomUuid(tools.random)
  const chosen = selectModels(project.models, options.select ?? [], options.exclude ?? [])
  const rendering = {
    project,
    vars: options.vars ?? {},
    environment: options.environment ?? (() => undefined),
    runId,
  }
  const run = new ProjectRun(tools, rendering, chosen, options)
  const results = await run.finish()
  const ok = results.every(
    ({ status, message }) =>
      status !== 'error' && status !== 'fail' && !message.startsWith(cutMessage),
  )
  return { runId, startedMs, elapsedMs: tools.clock.now() - startedMs, results, ok }
}

interface Node {
  readonly kind: NodeResult['kind']
  readonly name: string
  readonly work: () => Promise<Partial<NodeResult> & Pick<NodeResult, 'status' | 'message'>>
  /** Unique ids of the nodes that come before this one; when one fails, this one is not run. */
  readonly after: readonly string[]
}

class ProjectRun {
  readonly #tools: BatchTools
  readonly #rendering: Rendering
  readonly #options: RunOptions
  readonly #nodes: ReadonlyMap<string, Node>
  readonly #done = new Map<string, NodeResult>()
  readonly #running = new Map<string, Promise<void>>()

  constructor(
    tools: BatchTools,
    rendering: Rendering,
    chosen: readonly Model[],
    options: RunOptions,
  ) {
    this.#tools = tools
    this.#rendering = rendering
    this.#options = options
    const { only } = options
    const nodes = this.#plan(chosen).filter((node) => only?.includes(keyOf(node)) ?? true)
    this.#nodes = uniquelyKeyed(nodes.map((node) => [keyOf(node), node]))
  }

  async finish(): Promise<readonly NodeResult[]> {
    const threads = Math.max(1, this.#options.threads ?? 1)
    for (;;) {
      this.#cutOff()
      const ready = [...this.#nodes.values()].filter((node) => this.#isReady(node))
      for (const node of ready.slice(0, threads - this.#running.size)) this.#start(node)
      if (this.#running.size === 0) break
      await Promise.race(this.#running.values())
    }
    return [...this.#nodes.keys()].flatMap((key) => this.#done.get(key) ?? [])
  }

  #plan(chosen: readonly Model[]): readonly Node[] {
    const { verb } = this.#options
    const selected = chosen.filter(({ kind }) => {
      if (verb === 'run') return kind === 'model'
      return verb === 'snapshot' ? kind === 'snapshot' : true
    })
    const models = verb === 'test' ? [] : selected
    const names = new Map(models.map((model) => [model.name, keyOf(model)]))
    const { project } = this.#rendering
    const isTested = verb === 'build' || verb === 'test'
    // The invariants of a history are tested after every run of it, whether tests were requested or not.
    const tested = isTested
      ? selected
      : selected.filter(({ config }) => config.snapshot !== undefined)
    const tests = dataTests(project, tested).filter((test) => isTested || test.isInvariant)
    const keys = (each: readonly string[]): readonly string[] =>
      each.flatMap((name) => names.get(name) ?? [])
    const testsOf = (name: string): readonly string[] =>
      tests
        .filter(({ dependsOn }) => dependsOn.includes(name))
        .filter(({ dependsOn }) => dependsOn.every((each) => each === name || !names.has(each)))
        .map((test) => `test.${test.name}`)
    return [
      ...models.map((model): Node => {
        const { dependsOn } = model
        const after = [
          ...keys(dependsOn),
          ...dependsOn.filter((each) => names.has(each)).flatMap(testsOf),
        ]
        return { kind: model.kind, name: model.name, work: () => this.#runModel(model), after }
      }),
      ...tests.map((test): Node => {
        const after = keys(test.dependsOn)
        return { kind: 'test', name: test.name, work: () => this.#runTest(test), after }
      }),
    ]
  }

  #isReady(node: Node): boolean {
    const key = keyOf(node)
    if (this.#done.has(key) || this.#running.has(key)) return false
    return node.after.every((each) => this.#done.has(each) || !this.#nodes.has(each))
  }

  /**
   * Skips the nodes that cannot run because of a failure, and all others after a stop. What a node waits for has all
   * ended by then, so that its message names the same failure whichever of several came first.
   */
  #cutOff(): void {
    for (let hasSkipped = true; hasSkipped; ) {
      hasSkipped = false
      for (const [key, node] of this.#nodes) {
        if (this.#done.has(key) || this.#running.has(key)) continue
        const cause = this.#isReady(node)
          ? node.after.find((each) => isFault(this.#done.get(each)))
          : undefined
        const isStopped = this.#options.signal?.aborted === true
        if (cause === undefined && !isStopped) continue
        const message = `${cutMessage} ${isStopped ? 'stopped' : `${cause} failed`}`
        this.#settle(node, this.#tools.clock.now(), { status: 'skipped', message })
        hasSkipped = true
      }
    }
  }

  #start(node: Node): void {
    const startedMs = this.#tools.clock.now()
    const running = node
      .work()
      .catch((error: unknown) => this.#outcomeOf(error))
      .then((outcome) => {
        this.#running.delete(keyOf(node))
        this.#settle(node, startedMs, outcome)
      })
    this.#running.set(keyOf(node), running)
  }

  /** A stop interrupts the query that is running, which is no failure of its node. */
  #outcomeOf(error: unknown): Pick<NodeResult, 'status' | 'message'> {
    const isStopped = this.#options.signal?.aborted === true && isInterruption(error)
    return isStopped
      ? { status: 'skipped', message: `${cutMessage} stopped` }
      : { status: 'error', message: errorMessage(error) }
  }

  #settle(
    node: Node,
    startedMs: number,
    outcome: Partial<NodeResult> & Pick<NodeResult, 'status' | 'message'>,
  ): void {
    const { kind, name } = node
    const elapsedMs = this.#tools.clock.now() - startedMs
    const result: NodeResult = {
      rowsAffected: undefined,
      failures: undefined,
      computed: [],
      snapshotId: undefined,
      ...outcome,
      kind,
      name,
      startedMs,
      elapsedMs,
    }
    this.#done.set(keyOf(node), result)
    this.#options.onResult?.(result)
  }

  async #runModel(
    model: Model,
  ): Promise<Partial<NodeResult> & Pick<NodeResult, 'status' | 'message'>> {
    const { fullRefresh = false, discardHistory = false, window, signal } = this.#options
    const flags = { fullRefresh, discardHistory, window }
    return runModel(this.#tools, this.#rendering, model, flags, signal)
  }

  async #runTest(test: DataTestNode): Promise<Pick<NodeResult, 'status' | 'message' | 'failures'>> {
    const { failures } = await runDataTest(this.#tools, this.#rendering, test)
    if (failures === 0) return { status: 'pass', message: '', failures }
    return { status: 'fail', message: `${failures} rows that should not be there`, failures }
  }
}

function keyOf({
  kind,
  name,
}: {
  readonly kind: NodeResult['kind']
  readonly name: string
}): string {
  return `${kind}.${name}`
}

function isFault(result: NodeResult | undefined): boolean {
  if (result === undefined) return false
  const { status, message } = result
  return status === 'error' || status === 'fail' || message.startsWith(cutMessage)
}

/** What an aborted signal throws, or the engine for a query that was cancelled. */
function isInterruption(error: unknown): boolean {
  return (
    error instanceof UnavailableError || (error instanceof Error && error.name === 'AbortError')
  )
}
