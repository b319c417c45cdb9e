/**
 * The parts that every command and every embedding program needs: the object store and the catalog,
 * made from settings.
 */
import {
  type Catalog,
  ObjectStoreCatalog,
  type ObjectStoreCatalogOptions,
  RestCatalog,
} from '../catalog/index.ts'
import {
  type Clock,
  type Logger,
  type Random,
  SettingsError,
  silentLogger,
  systemClock,
  systemRandom,
} from '../common/index.ts'
import type { CatalogSettings, LakeSettings } from './settings/lake-settings.ts'
import { type FileIO, openFileIO } from '../io/index.ts'

export interface LakeTools {
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
}

export interface Lake {
  readonly catalog: Catalog
  readonly io: FileIO
  /** Absolute location; with a REST catalog the warehouse name that its server expects, if any. */
  readonly warehouse: string | undefined
  readonly settings: LakeSettings
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  close(): Promise<void>
}

/** Nothing is contacted before the first use. */
export async function openLake(settings: LakeSettings, tools: LakeTools = {}): Promise<Lake> {
  const clock = tools.clock ?? systemClock
  const random = tools.random ?? systemRandom
  const { warehouse } = settings.catalog
  const logger = tools.logger ?? silentLogger
  const io = openFileIO({ s3: settings.catalog.s3 }, { clock, random })
  return {
    catalog: openCatalog(settings.catalog, { io, clock, random, logger }),
    io,
    warehouse,
    settings,
    clock,
    random,
    logger,
    close: () => io.close(),
  }
}

function openCatalog(
  settings: CatalogSettings,
  tools: Omit<ObjectStoreCatalogOptions, 'warehouse'>,
): Catalog {
  const { token, uri, warehouse } = settings
  if (uri !== undefined) {
    return new RestCatalog({
      uri,
      ...(token === undefined ? {} : { token }),
      ...(warehouse === undefined ? {} : { warehouse }),
    })
  }
  if (warehouse === undefined) {
    throw new SettingsError('catalog.warehouse is required: s3://bucket/prefix or a directory')
  }
  return new ObjectStoreCatalog({ ...tools, warehouse })
}
