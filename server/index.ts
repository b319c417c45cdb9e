/** server: the HTTP port, with the Iceberg REST catalog on it. */
export { type Server, type ServerOptions, createServer } from './create-server.ts'
export type { QueryService } from './query-routes.ts'
