/** server: the HTTP port, with the Iceberg REST catalog on it. */
export { type QueryService } from './query-routes.ts'
export { createServer, type Server, type ServerOptions } from './create-server.ts'
